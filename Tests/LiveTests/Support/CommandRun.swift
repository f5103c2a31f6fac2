import Glibc
import HostIO
import TestSupport
import Testing

/// The built `caisson`, with `caisson-cli` beside it.
enum BuiltCommand {
    /// CAISSON_TEST_COMMAND, or what was built with these tests.
    static func path() throws -> String {
        let tests = try #require(HostProcess.executablePath)
        let path =
            HostProcess.environment("CAISSON_TEST_COMMAND")
            ?? tests[..<(tests.lastIndex(of: "/") ?? tests.endIndex)] + "/caisson"
        for program in [path, "\(path)-cli"] {
            try #require(access(program, X_OK) == 0, "there is no \(program): run scripts/build or swift build")
        }
        return path
    }

    static func environment(_ folder: Folder) -> [String: String] {
        ["HOME": folder.path, "PATH": "/usr/bin:/bin", "TERM": "vt220", "SWIFT_BACKTRACE": "enable=no"]
    }
}

/// `caisson run` with a kernel of a few bytes, at work. It ends, at the latest, with this value.
final class CommandRun {
    let folder = Folder()
    let process: ChildProcess
    /// Its standard input, if that is a pipe; nil closes it.
    var input: Descriptor?
    /// Its standard output, if that is a pipe; nil closes it.
    var output: Descriptor?
    private let errorFile = ScratchFile()

    /// It works in `folder`. Without a terminal, standard input and output are pipes; standard error is collected in both
    /// cases.
    /// - Parameters:
    ///   - code: what the guest executes, in protected mode.
    ///   - command: a program in front of the command, with its arguments.
    init(
        _ code: [UInt8], _ options: [String] = [], on terminal: TestTerminal? = nil, behind command: [String] = []
    ) throws {
        // What is sent to a process that failed is to fail the test only.
        signal(SIGPIPE, SIG_IGN)
        let kernel = folder.file("kernel", TestKernel.multiboot(code))
        let words =
            ["/usr/bin/env", "-C", folder.path] + command + [
                try BuiltCommand.path(), "run", "--kernel", kernel, "-m", "32M", "--name", "t",
            ] + options
        var streams: (Int32?, Int32?, Int32?) = (nil, nil, errorFile.descriptor.raw)
        var guestEnds: [Descriptor] = []
        if let terminal {
            (streams.0, streams.1) = (terminal.slave.raw, terminal.slave.raw)
        } else {
            let (guestInput, input) = Descriptor.pipe()
            let (output, guestOutput) = Descriptor.pipe()
            (self.input, self.output) = (input, output)
            guestEnds = [guestInput, guestOutput]
            (streams.0, streams.1) = (guestInput.raw, guestOutput.raw)
        }
        let environment = BuiltCommand.environment(folder)
        process = withExtendedLifetime(guestEnds) {
            ChildProcess(
                words[0], Array(words.dropFirst()), environment: environment, streams: streams,
                terminal: terminal?.path)
        }
    }

    /// What it wrote to standard error by now.
    var errors: String { errorFile.text }

    /// The exit status, or nil if it does not end in time.
    func status() -> Int32? {
        guard case .exited(let status)? = process.ending() else { return nil }
        return status
    }
}
