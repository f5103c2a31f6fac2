import Glibc
import Synchronization

/// A program that ran to its end.
struct Child {
    /// The exit status; 128 and more for the signal that ended it.
    let status: Int32
    let output: String
    let errors: String

    /// - Parameters:
    ///   - environment: all of the child's environment.
    ///   - output: a descriptor for its standard output, which is collected otherwise.
    ///   - isInputClosed: whether it has no standard input, in place of an empty one.
    static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], output: Int32? = nil,
        isInputClosed: Bool = false
    ) -> Child {
        let streams = [scratchFile(), scratchFile()]
        defer { for stream in streams { close(stream) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        if isInputClosed { posix_spawn_file_actions_addclose(&actions, 0) }
        posix_spawn_file_actions_adddup2(&actions, output ?? streams[0], 1)
        posix_spawn_file_actions_adddup2(&actions, streams[1], 2)

        var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for string in argv + envp { free(string) } }
        var process: pid_t = 0
        let failure = posix_spawn(&process, program, &actions, nil, &argv, &envp)
        precondition(failure == 0, "\(program): errno \(failure)")
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 { precondition(errno == EINTR) }
        let signal = status & 0x7f
        return Child(
            status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, output: contents(streams[0]),
            errors: contents(streams[1]))
    }

    private static let scratchFiles = Atomic(0)

    /// A file without a name.
    private static func scratchFile() -> Int32 {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let number = scratchFiles.add(1, ordering: .relaxed).newValue
        let path = "\(parent)/caisson-test-\(getpid())-\(number)"
        let file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        precondition(file >= 0, "\(path): errno \(errno)")
        unlink(path)
        return file
    }

    private static func contents(_ file: Int32) -> String {
        lseek(file, 0, SEEK_SET)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(file, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }
}
