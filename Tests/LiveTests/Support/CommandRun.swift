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
        // Machines of other tests may have the same name.
        let space = folder.path.split(separator: "/").last.map(String.init) ?? ""
        return [
            "HOME": folder.path, "PATH": "/usr/bin:/bin", "TERM": "vt220", "SWIFT_BACKTRACE": "enable=no",
            "CAISSON_SPACE": space,
        ]
    }
}

/// `caisson run`, at work. It ends, at the latest, with this value.
final class CommandRun {
    let folder: Folder
    let process: ChildProcess
    /// Its standard input, if that is a pipe; nil closes it.
    var input: Descriptor?
    /// Its standard output, if that is a pipe; nil closes it.
    var output: Descriptor?
    private let errorFile = ScratchFile()

    /// A machine with a kernel of a few bytes.
    /// - Parameter code: what the guest executes, in protected mode.
    convenience init(
        _ code: [UInt8], _ options: [String] = [], on terminal: TestTerminal? = nil, behind command: [String] = [],
        environment: [String: String] = [:]
    ) throws {
        let folder = Folder()
        let kernel = folder.file("kernel", TestKernel.multiboot(code))
        try self.init(
            in: folder, ["--kernel", kernel, "-m", "32M"] + options, on: terminal, behind: command,
            environment: environment)
    }

    /// A machine with the default guest.
    /// - Parameter command: a program that becomes the command, with its arguments.
    convenience init(defaultGuest options: [String], behind command: [String] = []) throws {
        let guest = try #require(DefaultGuest.folder)
        let words = ["--kernel", "\(guest)/vmlinux", "--initrd", "\(guest)/initramfs.cpio", "-m", "128M"]
        try self.init(
            in: Folder(), words + ["--append", "quiet TERM=dumb LINES=50 COLUMNS=2000"] + options,
            behind: command)
    }

    /// It works in `folder`. Without a terminal, standard input and output are pipes; standard error is collected in both
    /// cases.
    /// - Parameters:
    ///   - command: a program in front of the command, with its arguments.
    ///   - environment: words of the environment beside the usual ones.
    init(
        in folder: Folder, _ options: [String], on terminal: TestTerminal? = nil, behind command: [String] = [],
        environment: [String: String] = [:]
    ) throws {
        self.folder = folder
        // What is sent to a process that failed is to fail the test only.
        signal(SIGPIPE, SIG_IGN)
        let words =
            ["/usr/bin/env", "-C", folder.path] + command + [try BuiltCommand.path(), "run", "--name", "t"] + options
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
        let environment = BuiltCommand.environment(folder).merging(environment) { $1 }
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

    /// Waits until the guest wrote `text`, and returns what came before.
    /// - Throws: where it did not in time, or ended.
    @discardableResult
    func expect(_ text: String, within limit: Duration = .seconds(180)) throws -> String {
        let (output, wanted) = (try #require(output), Array(text.utf8))
        let deadline = ContinuousClock.now + limit
        var bytes: [UInt8] = []
        while !bytes.ends(with: wanted) {
            let next = output.receive(1)
            bytes += next
            if ContinuousClock.now > deadline || next.isEmpty && process.ending(within: .zero) != nil {
                Issue.record("no '\(text)' but:\n\(String(decoding: bytes, as: UTF8.self))")
                throw Silent()
            }
        }
        return String(decoding: bytes.dropLast(wanted.count), as: UTF8.self)
    }

    /// Runs a command in the default guest's shell and returns what it wrote.
    func shell(_ command: String) throws -> String {
        input?.send("\(command); echo do''ne\n")
        try expect("do''ne\r\n")
        let answer = try expect("done\r\n")
        try expect("# ")
        return answer.replacing("\r\n", with: "\n")
    }

    private struct Silent: Error {}
}
