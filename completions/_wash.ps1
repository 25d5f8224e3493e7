
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'wash' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'wash'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'wash' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Create a project from a template, a Git repository or a folder')
            [CompletionResult]::new('build', 'build', [CompletionResultType]::ParameterValue, 'Build the project into a component')
            [CompletionResult]::new('dev', 'dev', [CompletionResultType]::ParameterValue, 'Build, serve and rebuild on every change')
            [CompletionResult]::new('oci', 'oci', [CompletionResultType]::ParameterValue, 'Push components to registries and pull them')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Make, show and check settings')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            break
        }
        'wash;new' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'The project''s name and folder [default: that of the template, subfolder or repository]')
            [CompletionResult]::new('--git-ref', '--git-ref', [CompletionResultType]::ParameterName, 'The branch, tag or commit of the Git repository to take')
            [CompletionResult]::new('--subfolder', '--subfolder', [CompletionResultType]::ParameterName, 'The folder within the repository or folder to take')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Run the template''s set-up command (`new.command` of its settings) without asking')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Run the template''s set-up command (`new.command` of its settings) without asking')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'Print the templates and make nothing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;build' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--skip-fetch', '--skip-fetch', [CompletionResultType]::ParameterName, 'Do not fetch WIT dependencies first (wash fetches none yet)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;dev' {
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'Where to listen, e.g. 127.0.0.1:8000 or 0.0.0.0:8000 for every network')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'The port to listen on; 0 takes a free one')
            [CompletionResult]::new('--poll', '--poll', [CompletionResultType]::ParameterName, 'Look for changes at intervals, in milliseconds, instead of waiting for the system to report them')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--fresh', '--fresh', [CompletionResultType]::ParameterName, 'Begin with empty key-value stores and blob containers, also those kept in folders')
            [CompletionResult]::new('--open', '--open', [CompletionResultType]::ParameterName, 'Open the browser when the first version serves')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;oci' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Push a component to a registry')
            [CompletionResult]::new('pull', 'pull', [CompletionResultType]::ParameterValue, 'Pull a component from a registry')
            [CompletionResult]::new('tags', 'tags', [CompletionResultType]::ParameterValue, 'List the tags of a name')
            [CompletionResult]::new('copy', 'copy', [CompletionResultType]::ParameterValue, 'Copy an artifact from one registry to another')
            [CompletionResult]::new('login', 'login', [CompletionResultType]::ParameterValue, 'Keep credentials for a registry')
            [CompletionResult]::new('logout', 'logout', [CompletionResultType]::ParameterValue, 'Remove the credentials for a registry')
            break
        }
        'wash;oci;push' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Another tag for the same artifact; can be given more than once')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Another tag for the same artifact; can be given more than once')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'An annotation of the artifact; can be given more than once')
            [CompletionResult]::new('--annotation', '--annotation', [CompletionResultType]::ParameterName, 'An annotation of the artifact; can be given more than once')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user name for this registry')
            [CompletionResult]::new('--username', '--username', [CompletionResultType]::ParameterName, 'The user name for this registry')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others can see it in the list of processes, so prefer --password-stdin')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others can see it in the list of processes, so prefer --password-stdin')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up when the registry sends nothing for so many seconds [default: 30]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print what would be pushed, and send nothing')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Allow plain HTTP (a registry on this machine may always speak it)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;oci;pull' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user name for this registry')
            [CompletionResult]::new('--username', '--username', [CompletionResultType]::ParameterName, 'The user name for this registry')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others can see it in the list of processes, so prefer --password-stdin')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others can see it in the list of processes, so prefer --password-stdin')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up when the registry sends nothing for so many seconds [default: 30]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Allow plain HTTP (a registry on this machine may always speak it)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;oci;tags' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user name for this registry')
            [CompletionResult]::new('--username', '--username', [CompletionResultType]::ParameterName, 'The user name for this registry')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others can see it in the list of processes, so prefer --password-stdin')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others can see it in the list of processes, so prefer --password-stdin')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up when the registry sends nothing for so many seconds [default: 30]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Allow plain HTTP (a registry on this machine may always speak it)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;oci;copy' {
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up when the registry sends nothing for so many seconds [default: 30]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Allow plain HTTP (a registry on this machine may always speak it)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;oci;login' {
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'The user name for this registry')
            [CompletionResult]::new('--username', '--username', [CompletionResultType]::ParameterName, 'The user name for this registry')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'The password; others can see it in the list of processes, so prefer --password-stdin')
            [CompletionResult]::new('--password', '--password', [CompletionResultType]::ParameterName, 'The password; others can see it in the list of processes, so prefer --password-stdin')
            [CompletionResult]::new('--ca-path', '--ca-path', [CompletionResultType]::ParameterName, 'Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up when the registry sends nothing for so many seconds [default: 30]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--password-stdin', '--password-stdin', [CompletionResultType]::ParameterName, 'Read the password from stdin')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Allow plain HTTP (a registry on this machine may always speak it)')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;oci;logout' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;config' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a settings file to start from')
            [CompletionResult]::new('info', 'info', [CompletionResultType]::ParameterValue, 'Print the version, the folders and the files that wash uses')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print the settings in force, merged from all files and variables')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Check the settings and print everything that is wrong')
            [CompletionResult]::new('cleanup', 'cleanup', [CompletionResultType]::ParameterValue, 'Remove compiled code, pulled artifacts and what else can be made again')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of settings files')
            [CompletionResult]::new('reference', 'reference', [CompletionResultType]::ParameterValue, 'Print the reference page of the settings as Markdown')
            break
        }
        'wash;config;init' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The format of the file [default: yaml, or what the name given with --user-config says]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite an existing file')
            [CompletionResult]::new('--global', '--global', [CompletionResultType]::ParameterName, 'Write the user settings instead of a project''s')
            [CompletionResult]::new('--example', '--example', [CompletionResultType]::ParameterName, 'Write every key, in comments')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;config;info' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;config;show' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--origin', '--origin', [CompletionResultType]::ParameterName, 'Print each value with the file, variable or default it comes from')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;config;validate' {
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Check this file only')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;config;cleanup' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print what would be removed, and remove nothing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;config;schema' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;config;reference' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;completion' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
