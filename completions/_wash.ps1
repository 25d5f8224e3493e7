
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
            [CompletionResult]::new('wit', 'wit', [CompletionResultType]::ParameterValue, 'Manage the WIT packages that the project needs')
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
            [CompletionResult]::new('--skip-fetch', '--skip-fetch', [CompletionResultType]::ParameterName, 'Do not fetch WIT packages that are missing')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if wkg.lock would have to change')
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
            [CompletionResult]::new('--skip-fetch', '--skip-fetch', [CompletionResultType]::ParameterName, 'Do not fetch WIT packages that are missing')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if wkg.lock would have to change')
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
        'wash;wit' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
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
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Import a package or an interface into the project''s world, and fetch it')
            [CompletionResult]::new('build', 'build', [CompletionResultType]::ParameterValue, 'Encode the project''s WIT as a WebAssembly file, as registries have it')
            [CompletionResult]::new('clean', 'clean', [CompletionResultType]::ParameterValue, 'Remove the folder of fetched packages, wit/deps')
            [CompletionResult]::new('fetch', 'fetch', [CompletionResultType]::ParameterValue, 'Fetch the packages that the project''s WIT needs into wit/deps')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Remove a package or an interface from the project''s worlds, and what nobody needs any more')
            [CompletionResult]::new('update', 'update', [CompletionResultType]::ParameterValue, 'Move packages to their newest compatible versions')
            [CompletionResult]::new('tree', 'tree', [CompletionResultType]::ParameterValue, 'Print what needs which package, and where each comes from')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Compare the project''s WIT with wit/deps, wkg.lock and what this wash can serve')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print the WIT of the project, of a package, or of a component')
            break
        }
        'wash;wit;add' {
            [CompletionResult]::new('--world', '--world', [CompletionResultType]::ParameterName, 'The world to add it to, where there are several')
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Export the interface instead of importing it')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if wkg.lock would have to change')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;wit;build' {
            [CompletionResult]::new('--output-file', '--output-file', [CompletionResultType]::ParameterName, 'Where to write it [default: NAMESPACE-PACKAGE-VERSION.wasm in the current folder]')
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if wkg.lock would have to change')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;wit;clean' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
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
        'wash;wit;fetch' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if wash was started in this folder')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'What stdout is for: text for people, json for programs')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--log-level', '--log-level', [CompletionResultType]::ParameterName, 'How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter')
            [CompletionResult]::new('--user-config', '--user-config', [CompletionResultType]::ParameterName, 'The user settings file, instead of the one in wash''s configuration folder')
            [CompletionResult]::new('--clean', '--clean', [CompletionResultType]::ParameterName, 'Remove what is in wit/deps first')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if wkg.lock would have to change')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: log lines name their source, and other libraries log, too')
            [CompletionResult]::new('--non-interactive', '--non-interactive', [CompletionResultType]::ParameterName, 'Never ask a question (as when stdin is not a terminal)')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Never use the network; what is needed and not here is an error')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'wash;wit;remove' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
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
        'wash;wit;update' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
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
        'wash;wit;tree' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
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
        'wash;wit;check' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
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
        'wash;wit;show' {
            [CompletionResult]::new('--wit-dir', '--wit-dir', [CompletionResultType]::ParameterName, 'The folder of the project''s WIT [default: wit.wit_dir of the settings, else ./wit]')
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
