# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_wash_global_optspecs
    string join \n C= o/output= l/log-level= verbose non-interactive offline user-config= h/help V/version
end

function __fish_wash_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_wash_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_wash_using_subcommand
    set -l cmd (__fish_wash_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c wash -n "__fish_wash_needs_command" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_needs_command" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_needs_command" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_needs_command" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_needs_command" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_needs_command" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_needs_command" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_needs_command" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_needs_command" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_needs_command" -f -a "new" -d 'Create a project from a template, a Git repository or a folder'
complete -c wash -n "__fish_wash_needs_command" -f -a "build" -d 'Build the project into a component'
complete -c wash -n "__fish_wash_needs_command" -f -a "dev" -d 'Build, serve and rebuild on every change'
complete -c wash -n "__fish_wash_needs_command" -f -a "host" -d 'Run workloads in production, from manifests or under a scheduler'
complete -c wash -n "__fish_wash_needs_command" -f -a "inspect" -d 'Say what a component is, needs, offers and weighs, without running it'
complete -c wash -n "__fish_wash_needs_command" -f -a "oci" -d 'Push components to registries and pull them'
complete -c wash -n "__fish_wash_needs_command" -f -a "wit" -d 'Manage the WIT packages that the project needs'
complete -c wash -n "__fish_wash_needs_command" -f -a "config" -d 'Make, show and check settings'
complete -c wash -n "__fish_wash_needs_command" -f -a "doctor" -d 'Look for what is in the way of building and running, and say what mends it'
complete -c wash -n "__fish_wash_needs_command" -f -a "completion" -d 'Print a completion script for a shell'
complete -c wash -n "__fish_wash_needs_command" -f -a "update" -d 'Replace this wash by a newer release'
complete -c wash -n "__fish_wash_using_subcommand new" -l name -d 'The project\'s name and folder [default: that of the template, subfolder or repository]' -r
complete -c wash -n "__fish_wash_using_subcommand new" -l git-ref -d 'The branch, tag or commit of the Git repository to take' -r
complete -c wash -n "__fish_wash_using_subcommand new" -l subfolder -d 'The folder within the repository or folder to take' -r
complete -c wash -n "__fish_wash_using_subcommand new" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand new" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand new" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand new" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand new" -s y -l yes -d 'Run the template\'s set-up command (`new.command` of its settings) without asking'
complete -c wash -n "__fish_wash_using_subcommand new" -l list -d 'Print the templates and make nothing'
complete -c wash -n "__fish_wash_using_subcommand new" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand new" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand new" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand new" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand new" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand build" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand build" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand build" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand build" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand build" -l skip-fetch -d 'Do not fetch WIT packages that are missing'
complete -c wash -n "__fish_wash_using_subcommand build" -l locked -d 'Fail if wkg.lock would have to change'
complete -c wash -n "__fish_wash_using_subcommand build" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand build" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand build" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand build" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand build" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l address -d 'Where to listen, e.g. 127.0.0.1:8000 or 0.0.0.0:8000 for every network' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l port -d 'The port to listen on; 0 takes a free one' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l poll -d 'Look for changes at intervals, in milliseconds, instead of waiting for the system to report them' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l fresh -d 'Begin with empty key-value stores and blob containers, also those kept in folders'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l skip-fetch -d 'Do not fetch WIT packages that are missing'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l locked -d 'Fail if wkg.lock would have to change'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l open -d 'Open the browser when the first version serves'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l no-console -d 'Do not open the console'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -f -a "status" -d 'Say how a running loop is: what serves, where, since when, and what is wrong'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -f -a "send" -d 'Send a message to the components of a running loop'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -f -a "call" -d 'Call a function that a component of a running loop exports, e.g. \'cart#add("apple", 2)\''
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -f -a "functions" -d 'List the functions that the components of a running loop export'
complete -c wash -n "__fish_wash_using_subcommand dev; and not __fish_seen_subcommand_from status send call functions kv" -f -a "kv" -d 'Look at and change the key-value data of a running loop'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -l pid -d 'The process of the loop, where several run for one project' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from status" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -l timeout -d 'How long to wait for it, in milliseconds [default: 5000]' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -l pid -d 'The process of the loop, where several run for one project' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -l request -d 'Wait for an answer and print it'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from send" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -l component -d 'The component that exports it, where several do' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -l pid -d 'The process of the loop, where several run for one project' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from call" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -l pid -d 'The process of the loop, where several run for one project' -r
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from functions" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -f -a "get" -d 'Print the value of a key'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -f -a "set" -d 'Store a value'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -f -a "list" -d 'List the keys of a bucket, or the buckets'
complete -c wash -n "__fish_wash_using_subcommand dev; and __fish_seen_subcommand_from kv" -f -a "delete" -d 'Delete a key'
complete -c wash -n "__fish_wash_using_subcommand host" -l manifest -d 'Run the workloads of these manifests: files, folders, or - for stdin' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l http-addr -d 'Answer HTTP requests here, e.g. 0.0.0.0:8080; a port alone is one of this machine\'s loopback' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l admin-addr -d 'Answer /livez, /readyz and /metrics here' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l host-name -d 'The name of this host for people' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l drain-timeout -d 'How long requests that run may take to finish when the host or a workload stops, e.g. 30s' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l data-dir -d 'Where the host keeps what it needs while it runs [default: below wash\'s data folder]' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l access-log -d 'Write a line for each request' -r -f -a "true\t''
false\t''"
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-nats-url -d 'Take commands from the scheduler behind this NATS server; several of one cluster with commas between them [default: nats://localhost:4222, or none with --manifest]' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-nats-user -d 'The user for the scheduler\'s NATS server' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-nats-password -d 'The password of that user' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-nats-password-file -d 'A file with the password of that user' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-nats-token -d 'A token for the scheduler\'s NATS server, instead of a user' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-nats-token-file -d 'A file with that token' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-nats-nkey -d 'A file with the seed of an nkey' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-nats-creds -d 'A credentials file: a JWT and the seed of its nkey, as nsc writes them' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-tls-ca -d 'Speak TLS, and trust these authorities (PEM) instead of the machine\'s' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-tls-cert -d 'Show this certificate (PEM) to the scheduler\'s NATS server' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-tls-key -d 'The private key of that certificate (PEM)' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l host-group -d 'The group of hosts that this one belongs to: the label `hostgroup`' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l label -d 'A label by which the scheduler may choose this host; can be given more than once' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l host-id -d 'What identifies this host to the scheduler [default: kept in the data directory]' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l environment -d 'Where this host runs, e.g. a namespace of Kubernetes' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l tls-cert -d 'Serve HTTPS with this certificate (PEM, with its intermediates); several times for several names' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l tls-key -d 'The private key of the certificate (PEM), as many times as --tls-cert' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l tls-ca -d 'Only let clients in that have a certificate of one of these authorities (PEM)' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l registry-pull-timeout -d 'How long one image may take, with all attempts' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l oci-ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, for registries, too' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l data-nats-url -d 'Keep key-value data, blobs and messages on this NATS server; without it they are in memory' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l redis-url -d 'Keep key-value data on this Redis server' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l postgres-url -d 'The PostgreSQL server of components that use one and name none themselves' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l request-timeout -d 'How long a component may take to answer a request' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l request-body-limit -d 'The longest body of a request, in MiB [default: any]' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l memory-limit -d 'The most memory of an instance of a component, in MiB' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l max-invocations -d 'The most calls of a component at one time, unless it says another number' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l max-connections -d 'Connections at one time; more wait' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l idle-timeout -d 'How long a connection may stay without a request' -r
complete -c wash -n "__fish_wash_using_subcommand host" -l header-timeout -d 'How long the head of a request may take' -r
complete -c wash -n "__fish_wash_using_subcommand host" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand host" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand host" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand host" -l scheduler-tls-first -d 'Begin with TLS, as servers with `handshake_first` want it'
complete -c wash -n "__fish_wash_using_subcommand host" -l allow-insecure-registries -d 'Ask registries over plain HTTP, too (those of this machine always may)'
complete -c wash -n "__fish_wash_using_subcommand host" -l allow-private-networks -d 'Let components connect to private networks that their `allowedHosts` do not name'
complete -c wash -n "__fish_wash_using_subcommand host" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand host" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand host" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand host" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand host" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l why -d 'Show the way of calls from an export to an import, e.g. wasi:cli/environment' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l timeout -d 'Give up when the registry sends nothing for so many seconds [default: 30]' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l wit -d 'Print all interfaces as WIT'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l world -d 'Print the world alone as WIT: imports and exports by name'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l insecure -d 'Allow plain HTTP (a registry on this machine may always speak it)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand inspect; and not __fish_seen_subcommand_from diff" -a "diff" -d 'Say what changed from one component to another, and what semantic versioning calls it'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l at-most -d 'Fail when the change is larger than this' -r -f -a "patch\t''
minor\t''"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l timeout -d 'Give up when the registry sends nothing for so many seconds [default: 30]' -r
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l insecure -d 'Allow plain HTTP (a registry on this machine may always speak it)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand inspect; and __fish_seen_subcommand_from diff" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -f -a "push" -d 'Push a component to a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -f -a "pull" -d 'Pull a component from a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -f -a "tags" -d 'List the tags of a name'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -f -a "referrers" -d 'List what is attached to an artifact: bills of materials, provenance'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -f -a "copy" -d 'Copy an artifact from one registry to another'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -f -a "login" -d 'Keep credentials for a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and not __fish_seen_subcommand_from push pull tags referrers copy login logout" -f -a "logout" -d 'Remove the credentials for a registry'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s t -l tag -d 'Another tag for the same artifact; can be given more than once' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s a -l annotation -d 'An annotation of the artifact; can be given more than once' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l attach -d 'Attach a file, e.g. a bill of materials; can be given more than once. CycloneDX, SPDX and in-toto documents in JSON are recognised, other files need their media type behind a colon' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s u -l username -d 'The user name for this registry' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s p -l password -d 'The password; others can see it in the list of processes, so prefer --password-stdin' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l timeout -d 'Give up when the registry sends nothing for so many seconds [default: 30]' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l dry-run -d 'Print what would be pushed, and send nothing'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l insecure -d 'Allow plain HTTP (a registry on this machine may always speak it)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from push" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l verify-key -d 'Write nothing unless the artifact has a cosign signature of this public key (PEM)' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s u -l username -d 'The user name for this registry' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s p -l password -d 'The password; others can see it in the list of processes, so prefer --password-stdin' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l timeout -d 'Give up when the registry sends nothing for so many seconds [default: 30]' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l insecure -d 'Allow plain HTTP (a registry on this machine may always speak it)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from pull" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -s u -l username -d 'The user name for this registry' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -s p -l password -d 'The password; others can see it in the list of processes, so prefer --password-stdin' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -l ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -l timeout -d 'Give up when the registry sends nothing for so many seconds [default: 30]' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -l insecure -d 'Allow plain HTTP (a registry on this machine may always speak it)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from tags" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s u -l username -d 'The user name for this registry' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s p -l password -d 'The password; others can see it in the list of processes, so prefer --password-stdin' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l timeout -d 'Give up when the registry sends nothing for so many seconds [default: 30]' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l insecure -d 'Allow plain HTTP (a registry on this machine may always speak it)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from referrers" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l timeout -d 'Give up when the registry sends nothing for so many seconds [default: 30]' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l insecure -d 'Allow plain HTTP (a registry on this machine may always speak it)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from copy" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s u -l username -d 'The user name for this registry' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s p -l password -d 'The password; others can see it in the list of processes, so prefer --password-stdin' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l ca-path -d 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l timeout -d 'Give up when the registry sends nothing for so many seconds [default: 30]' -r
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l password-stdin -d 'Read the password from stdin'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l insecure -d 'Allow plain HTTP (a registry on this machine may always speak it)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from login" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand oci; and __fish_seen_subcommand_from logout" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "add" -d 'Import a package or an interface into the project\'s world, and fetch it'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "build" -d 'Encode the project\'s WIT as a WebAssembly file, as registries have it'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "clean" -d 'Remove the folder of fetched packages, wit/deps'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "fetch" -d 'Fetch the packages that the project\'s WIT needs into wit/deps'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "remove" -d 'Remove a package or an interface from the project\'s worlds, and what nobody needs any more'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "update" -d 'Move packages to their newest compatible versions'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "tree" -d 'Print what needs which package, and where each comes from'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "check" -d 'Compare the project\'s WIT with wit/deps, wkg.lock and what this wash can serve'
complete -c wash -n "__fish_wash_using_subcommand wit; and not __fish_seen_subcommand_from add build clean fetch remove update tree check show" -f -a "show" -d 'Print the WIT of the project, of a package, or of a component'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l world -d 'The world to add it to, where there are several' -r
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l export -d 'Export the interface instead of importing it'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l locked -d 'Fail if wkg.lock would have to change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from add" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l output-file -d 'Where to write it [default: NAMESPACE-PACKAGE-VERSION.wasm in the current folder]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l locked -d 'Fail if wkg.lock would have to change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from build" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from clean" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l clean -d 'Remove what is in wit/deps first'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l locked -d 'Fail if wkg.lock would have to change'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from fetch" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from update" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from tree" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -l wit-dir -d 'The folder of the project\'s WIT [default: wit.wit_dir of the settings, else ./wit]' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand wit; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -f -a "init" -d 'Write a settings file to start from'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -f -a "info" -d 'Print the version, the folders and the files that wash uses'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -f -a "show" -d 'Print the settings in force, merged from all files and variables'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -f -a "validate" -d 'Check the settings and print everything that is wrong'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -f -a "cleanup" -d 'Remove compiled code, pulled artifacts and what else can be made again'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -f -a "schema" -d 'Print the JSON Schema of settings files'
complete -c wash -n "__fish_wash_using_subcommand config; and not __fish_seen_subcommand_from init info show validate cleanup schema reference" -f -a "reference" -d 'Print the reference page of the settings as Markdown'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -l format -d 'The format of the file [default: yaml, or what the name given with --user-config says]' -r -f -a "yaml\t''
json\t''
toml\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -l force -d 'Overwrite an existing file'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -l global -d 'Write the user settings instead of a project\'s'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -l example -d 'Write every key, in comments'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from init" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from info" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -l origin -d 'Print each value with the file, variable or default it comes from'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -l file -d 'Check this file only' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from validate" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -l dry-run -d 'Print what would be removed, and remove nothing'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from cleanup" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from schema" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand config; and __fish_seen_subcommand_from reference" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand doctor" -l registry -d 'Ask this registry, too, with the credentials that there are for it; may be repeated' -r
complete -c wash -n "__fish_wash_using_subcommand doctor" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand doctor" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand doctor" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand doctor" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand doctor" -l fix -d 'Run the commands that mend something without risk, after asking for each'
complete -c wash -n "__fish_wash_using_subcommand doctor" -l yes -d 'With --fix, do not ask'
complete -c wash -n "__fish_wash_using_subcommand doctor" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand doctor" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand doctor" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand completion" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand completion" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand completion" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand completion" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand completion" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand completion" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand completion" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand completion" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand completion" -s V -l version -d 'Print version'
complete -c wash -n "__fish_wash_using_subcommand update" -l git -d 'The repository with the releases: OWNER/NAME, or https://HOST/OWNER/NAME' -r
complete -c wash -n "__fish_wash_using_subcommand update" -l token -d 'A GitHub token, for private repositories [also: GITHUB_TOKEN, GH_TOKEN, GITHUB_ACCESS_TOKEN]' -r
complete -c wash -n "__fish_wash_using_subcommand update" -s C -d 'Run as if wash was started in this folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand update" -s o -l output -d 'What stdout is for: text for people, json for programs' -r -f -a "text\t''
json\t''"
complete -c wash -n "__fish_wash_using_subcommand update" -s l -l log-level -d 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c wash -n "__fish_wash_using_subcommand update" -l user-config -d 'The user settings file, instead of the one in wash\'s configuration folder' -r -F
complete -c wash -n "__fish_wash_using_subcommand update" -s d -l dry-run -d 'Only tell which release there is'
complete -c wash -n "__fish_wash_using_subcommand update" -s f -l force -d 'Install the newest release again although it is the current one'
complete -c wash -n "__fish_wash_using_subcommand update" -l major -d 'Move to a release that breaks something, too'
complete -c wash -n "__fish_wash_using_subcommand update" -l minor -d 'Move to new features within the major version'
complete -c wash -n "__fish_wash_using_subcommand update" -l patch -d 'Move to corrections only'
complete -c wash -n "__fish_wash_using_subcommand update" -l verbose -d 'Say more: log lines name their source, and other libraries log, too'
complete -c wash -n "__fish_wash_using_subcommand update" -l non-interactive -d 'Never ask a question (as when stdin is not a terminal)'
complete -c wash -n "__fish_wash_using_subcommand update" -l offline -d 'Never use the network; what is needed and not here is an error'
complete -c wash -n "__fish_wash_using_subcommand update" -s h -l help -d 'Print help'
complete -c wash -n "__fish_wash_using_subcommand update" -s V -l version -d 'Print version'
