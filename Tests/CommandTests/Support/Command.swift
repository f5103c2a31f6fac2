import Glibc
import HostIO
import TestSupport
import Testing

/// The built `caisson`, in a world of its own.
struct Command {
    /// HOME, and where a test puts its files.
    let folder = Folder()
    var environment: [String: String]
    var program: String

    /// - Parameter machineProgram: a shell script that is started as the machine; without it caisson is that itself.
    init(machineProgram: String? = Command.tellingScript) throws {
        let tests = try #require(HostProcess.executablePath)
        program = tests[..<(tests.lastIndex(of: "/") ?? tests.endIndex)] + "/caisson"
        environment = ["HOME": folder.path, "PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"]
        if let machineProgram { environment["CAISSON_VMM"] = folder.file("vmm", machineProgram, mode: 0o755) }
    }

    /// Tells its arguments, a line each, and what the descriptors are that they name.
    static let tellingScript = """
        #!/bin/sh
        for word; do
            printf '%s\\n' "$word"
            case $word in
            kernel=*|ramdisk=*)
                descriptor=${word#*=}
                printf 'open %s\\n' "$(readlink /proc/$$/fd/"${descriptor%%:*}")"
            esac
        done
        """

    func run(_ arguments: String..., output: Int32? = nil) -> Child { run(arguments, output: output) }

    func run(_ arguments: [String], output: Int32? = nil) -> Child {
        Child.run(program, arguments, environment: environment, output: output)
    }

    /// Copies one of the programs to where nothing else is, and runs that from now on.
    mutating func moveProgram(_ name: String, to folderName: String) {
        let place = folder.folder(folderName)
        let copied = Child.run("/bin/cp", [program.dropLast("caisson".count) + name, place])
        precondition(copied.status == 0, copied.errors)
        program = "\(place)/\(name)"
    }
}
