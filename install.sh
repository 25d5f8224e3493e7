#!/bin/sh
# Installs wash from a release: one file, for the current user, without root.
#
#   sh install.sh [--no-modify-path]
#
# WASH_VERSION       the release to install, e.g. 0.1.0      (the latest)
# INSTALL_DIR        the folder to put wash in               (~/.wash/bin)
# WASH_REPO          the GitHub repository of the releases   (wasm-shell/wash)
# WASH_RELEASE_URL   a folder with the files of a release, in place of GitHub
#
# The file's SHA-256 is compared with the release's SHA256SUMS, always. A release has a file `wash-TARGET`
# for each platform; see .github/workflows/release.yml.
set -eu

say() { printf '%s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  for hint; do printf 'hint: %s\n' "$hint" >&2; done
  exit 1
}

# Everything is in functions that the last line calls, so that half a download of this script does nothing.
main() {
  modify_path=yes
  for argument; do
    case $argument in
      --no-modify-path) modify_path=no ;;
      -h | --help)
        say "Installs wash from a release. Usage: sh install.sh [--no-modify-path]"
        say "Variables: WASH_VERSION, INSTALL_DIR (~/.wash/bin), WASH_REPO (wasm-shell/wash), WASH_RELEASE_URL"
        exit 0
        ;;
      *) fail "unknown argument \`$argument\`" "the only one is --no-modify-path" ;;
    esac
  done
  : "${HOME:?is not set}"
  folder=${INSTALL_DIR:-$HOME/.wash/bin}
  case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
  file=wash-$(target)
  url=$(release_url)
  profile=
  if [ $modify_path = yes ]; then profile=$(profile_to_change); fi
  case ${profile:+$folder} in
    *[\"\'\$\`\\:]*) fail "$folder has a character that cannot be written into a PATH" "use --no-modify-path, or another INSTALL_DIR" ;;
  esac

  say "This will"
  say "  download  $url/$file"
  say "  compare   its SHA-256 with $url/SHA256SUMS"
  say "  write     $folder/wash"
  if [ -n "$profile" ]; then
    say "  change    $profile: put $folder on the PATH"
  fi
  say "and nothing else."

  temporary=$(mktemp -d)
  staged=
  trap 'rm -rf "$temporary"; if [ -n "$staged" ]; then rm -f "$staged"; fi' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  fetch "$url/SHA256SUMS" "$temporary/SHA256SUMS"
  expected=$(awk -v file="$file" '$2 == file || $2 == "*" file { print $1; exit }' "$temporary/SHA256SUMS")
  [ -n "$expected" ] || fail "this release has no $file, that is none for this platform" \
    "its files: $(awk '{ print $2 }' "$temporary/SHA256SUMS" | tr '\n' ' ')" "build wash from its source code: cargo build --release"
  fetch "$url/$file" "$temporary/wash"
  actual=$(sha256 "$temporary/wash")
  [ "$actual" = "$expected" ] || fail "the checksum of $file is wrong; nothing was installed" \
    "expected $expected, got $actual" "try again; if it stays wrong, the release or the way to it is damaged"
  chmod 755 "$temporary/wash"
  version=$("$temporary/wash" --version 2>"$temporary/trouble") ||
    fail "the downloaded wash does not run here: $(head -n 1 "$temporary/trouble")" \
      "if programs may not run in the temporary folder, name another: TMPDIR=\$HOME sh install.sh" \
      "build it from its source code: cargo build --release"

  mkdir -p "$folder" 2>/dev/null || true
  [ -w "$folder" ] || fail "cannot write to $folder" "choose a folder of your own: INSTALL_DIR=\$HOME/bin sh install.sh"
  # The move into place is one step: a wash that runs keeps its file, and there is never half of one.
  staged=$folder/.wash-new-$$
  cp "$temporary/wash" "$staged"
  mv -f "$staged" "$folder/wash"
  staged=
  if [ -n "$profile" ]; then add_to_path "$profile"; fi

  say "Installed $version: $folder/wash"
  case :$PATH: in
    *:"$folder":*) ;;
    *)
      if [ -n "$profile" ]; then say "Open a new terminal, or type: PATH=\"$folder:\$PATH\""; else say "$folder is not on your PATH."; fi
      ;;
  esac
}

# The platform in the words of Rust.
target() {
  machine=$(uname -m)
  case $(uname -s) in
    Linux)
      case $machine in
        x86_64 | amd64) say "x86_64-unknown-linux-$(libc)" ;;
        aarch64 | arm64) say "aarch64-unknown-linux-$(libc)" ;;
        *) fail "there is no release for Linux on $machine" "build wash from its source code: cargo build --release" ;;
      esac
      ;;
    Darwin)
      # A shell that runs translated says x86_64 on a newer machine, too.
      if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || true)" = 1 ]; then machine=arm64; fi
      case $machine in
        arm64) say aarch64-apple-darwin ;;
        *) say x86_64-apple-darwin ;;
      esac
      ;;
    *) fail "this script knows Linux and macOS, not $(uname -s)" "on Windows use install.ps1" ;;
  esac
}

# `gnu` where the C library is glibc 2.35 or newer, what releases are built with; else `musl`, which needs none.
libc() {
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null || true)
  glibc=${glibc#glibc }
  case $glibc in
    [0-9]*.[0-9]*)
      minor=${glibc#*.}
      if [ "${glibc%%.*}" -gt 2 ] || [ "${minor%%.*}" -ge 35 ]; then say gnu; else say musl; fi
      ;;
    *) say musl ;;
  esac
}

release_url() {
  if [ -n "${WASH_RELEASE_URL:-}" ]; then
    say "${WASH_RELEASE_URL%/}"
    return
  fi
  base=https://github.com/${WASH_REPO:-wasm-shell/wash}/releases
  if [ -n "${WASH_VERSION:-}" ]; then say "$base/download/v${WASH_VERSION#v}"; else say "$base/latest/download"; fi
}

# fetch URL FILE
fetch() {
  # Who asks for https gets nothing else, whatever a server redirects to.
  case $1 in https://*) only_https=yes ;; *) only_https=no ;; esac
  code=0
  if command -v curl >/dev/null 2>&1; then
    if [ $only_https = yes ]; then set -- "$1" "$2" --proto =https --tlsv1.2; fi
    from=$1 to=$2
    shift 2
    curl -fsSL --retry 2 --connect-timeout 15 --max-time 600 "$@" -o "$to" "$from" || code=$?
    case $code in
      0) ;;
      22) missing "$from" ;;
      *) unreachable "$from" "curl ended with $code" ;;
    esac
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 30 -O "$2" "$1" || code=$?
    case $code in
      0) ;;
      8) missing "$1" ;;
      *) unreachable "$1" "wget ended with $code" ;;
    esac
  else
    fail "curl or wget is needed to download" "install one of them"
  fi
}

missing() {
  if [ -n "${WASH_VERSION:-}" ]; then
    fail "the server has no $1" "is there a release $WASH_VERSION? WASH_VERSION is written as 0.1.0"
  fi
  fail "the server has no $1" "is there a release? WASH_REPO=OWNER/NAME names the repository"
}

unreachable() { fail "cannot download $1 ($2)" "is this machine offline, or behind a proxy? https_proxy=http://HOST:PORT is respected"; }

sha256() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  elif command -v openssl >/dev/null 2>&1; then
    openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1
  else
    fail "sha256sum, shasum or openssl is needed to check the download" "install one of them"
  fi
}

# The file of the login shell to put the PATH into; nothing when that is not needed.
profile_to_change() {
  case :$PATH: in *:"$folder":*) return ;; esac
  login_shell=${SHELL:-sh}
  case ${login_shell##*/} in
    zsh) file_of_shell=${ZDOTDIR:-$HOME}/.zshrc ;;
    bash) if [ "$(uname -s)" = Darwin ]; then file_of_shell=$HOME/.bash_profile; else file_of_shell=$HOME/.bashrc; fi ;;
    fish) file_of_shell=${XDG_CONFIG_HOME:-$HOME/.config}/fish/conf.d/wash.fish ;;
    *) file_of_shell=$HOME/.profile ;;
  esac
  if [ -f "$file_of_shell" ] && grep -qF "$folder" "$file_of_shell"; then return; fi
  say "$file_of_shell"
}

add_to_path() {
  mkdir -p "$(dirname "$1")"
  case $1 in
    *.fish) line="fish_add_path '$folder'" ;;
    *) line="export PATH=\"$folder:\$PATH\"" ;;
  esac
  printf '\n# added by the installer of wash\n%s\n' "$line" >>"$1"
}

main "$@"
