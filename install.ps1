# Installs wash from a release: one file, for the current user, without administrator rights.
#
#   .\install.ps1 [-NoModifyPath]
#
# WASH_VERSION       the release to install, e.g. 0.1.0      (the latest)
# INSTALL_DIR        the folder to put wash in               (%USERPROFILE%\.wash\bin)
# WASH_REPO          the GitHub repository of the releases   (wasm-shell/wash)
# WASH_RELEASE_URL   a folder with the files of a release, in place of GitHub
#
# The file's SHA-256 is compared with the release's SHA256SUMS, always.
param([switch] $NoModifyPath)

# Everything is in a function that the last line calls, so that half a download of this script does nothing.
function Install-Wash([bool] $ModifyPath) {
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue' # its display makes old versions' downloads slow

    $machine = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
    # Windows on ARM runs programs for x86_64.
    if ($machine -notin 'AMD64', 'ARM64') { throw "there is no release for Windows on $machine" }
    $file = 'wash-x86_64-pc-windows-msvc.exe'

    $repository = if ($env:WASH_REPO) { $env:WASH_REPO } else { 'wasm-shell/wash' }
    $url = if ($env:WASH_RELEASE_URL) { $env:WASH_RELEASE_URL.TrimEnd('/') }
    elseif ($env:WASH_VERSION) { "https://github.com/$repository/releases/download/v$($env:WASH_VERSION -replace '^v', '')" }
    else { "https://github.com/$repository/releases/latest/download" }
    $folder = if ($env:INSTALL_DIR) { $env:INSTALL_DIR } else { Join-Path $env:USERPROFILE '.wash\bin' }
    $folder = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($folder)
    # Read and written in the registry, where entries like %SystemRoot% stay what they are.
    $environment = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
    $path = $environment.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
    $changesPath = $ModifyPath -and (@($path -split ';') -notcontains $folder)

    Write-Host 'This will'
    Write-Host "  download  $url/$file"
    Write-Host "  compare   its SHA-256 with $url/SHA256SUMS"
    Write-Host "  write     $(Join-Path $folder 'wash.exe')"
    if ($changesPath) { Write-Host "  change    the Path of your user: add $folder" }
    Write-Host 'and nothing else.'

    if ($PSVersionTable.PSVersion.Major -lt 6) {
        [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
    }
    $temporary = Join-Path ([IO.Path]::GetTempPath()) ([IO.Path]::GetRandomFileName())
    New-Item -ItemType Directory -Path $temporary | Out-Null
    $staged = $null
    try {
        $sums = Join-Path $temporary 'SHA256SUMS'
        $new = Join-Path $temporary 'wash.exe'
        Get-ReleaseFile "$url/SHA256SUMS" $sums
        $expected = $null
        foreach ($line in Get-Content $sums) {
            $sum, $name = $line -split '\s+\*?', 2
            if ($name -eq $file) { $expected = $sum; break }
        }
        if (-not $expected) { throw "this release has no $file" }
        Get-ReleaseFile "$url/$file" $new
        $actual = (Get-FileHash -Algorithm SHA256 -Path $new).Hash
        if ($actual -ne $expected) {
            throw "the checksum of $file is wrong; nothing was installed: expected $expected, got $actual"
        }
        $version = & $new --version
        if ($LASTEXITCODE -ne 0) { throw "the downloaded wash does not run here (exit code $LASTEXITCODE)" }

        New-Item -ItemType Directory -Force -Path $folder | Out-Null
        $target = Join-Path $folder 'wash.exe'
        $staged = Join-Path $folder ".wash-new-$PID.exe"
        Copy-Item $new $staged
        try { Move-Item -Force $staged $target }
        catch { throw "cannot replace $target; does a wash still run? $_" }
        $staged = $null
        if ($changesPath) {
            $entries = @($path -split ';' | Where-Object { $_ }) + $folder
            $environment.SetValue('Path', ($entries -join ';'), 'ExpandString')
            # Removing a variable that is not there tells running programs to look again.
            [Environment]::SetEnvironmentVariable('WASH_INSTALLER', $null, 'User')
        }
        Write-Host "Installed ${version}: $target"
        if ($changesPath) { Write-Host 'Open a new terminal to use it.' }
        elseif (@($env:Path -split ';') -notcontains $folder) { Write-Host "$folder is not on your Path." }
    }
    finally {
        Remove-Item -Recurse -Force $temporary
        if ($staged -and (Test-Path $staged)) { Remove-Item -Force $staged }
    }
}

function Get-ReleaseFile([string] $From, [string] $To) {
    try { Invoke-WebRequest -UseBasicParsing -TimeoutSec 600 -Uri $From -OutFile $To }
    catch { throw "cannot download ${From}: $($_.Exception.Message) (is this machine offline, or is there no such release?)" }
}

Install-Wash (-not $NoModifyPath)
