import Glibc
import Synchronization

/// A program that was started. It is killed when nobody holds it any more.
package final class ChildProcess: Sendable {
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)

        /// The status by which shells know it.
        package var status: Int32 {
            switch self {
            case .exited(let status): status
            case .killed(let signal): 128 + signal
            }
        }
    }

    package let id: pid_t
    private let known = Mutex<Ending?>(nil)
    /// Held while a child starts.
    static let starting = Mutex(())

    /// Starts `program` with every signal at its default and none blocked.
    /// - Parameters:
    ///   - environment: all of its environment.
    ///   - streams: descriptors for standard input, output and error; what is nil stays closed.
    ///   - terminal: the path of the terminal of a session that it leads.
    package init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:],
        streams: (input: Int32?, output: Int32?, errors: Int32?), terminal: String? = nil
    ) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first terminal that the leader of a session opens becomes the session's.
        if let terminal { posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0) }
        for (number, stream) in [streams.input, streams.output, streams.errors].enumerated() {
            if let stream {
                posix_spawn_file_actions_adddup2(&actions, stream, Int32(number))
            } else {
                posix_spawn_file_actions_addclose(&actions, Int32(number))
            }
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        // POSIX_SPAWN_SETSID, which is GNU's.
        let newSession: Int32 = terminal == nil ? 0 : 0x80
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | newSession))

        var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for string in argv + envp { free(string) } }
        var process: pid_t = 0
        let failure = Self.starting.withLock { _ in
            posix_spawn(&process, program, &actions, &attributes, &argv, &envp)
        }
        precondition(failure == 0, "\(program): errno \(failure)")
        id = process
    }

    deinit {
        guard ending(within: .zero) == nil else { return }
        kill(id, SIGKILL)
        _ = ending(within: .seconds(10))
    }

    package func send(_ signal: Int32) {
        // Once reaped, the number may be another process's.
        known.withLock { if $0 == nil { kill(id, signal) } }
    }

    /// Waits for its end; nil if it has not come by then.
    package func ending(within limit: Duration = .seconds(30)) -> Ending? {
        let deadline = ContinuousClock.now + limit
        while true {
            if let ending = poll() { return ending }
            guard ContinuousClock.now < deadline else { return nil }
            usleep(1000)
        }
    }

    private func poll() -> Ending? {
        known.withLock { known in
            var status: Int32 = 0
            if known == nil, waitpid(id, &status, WNOHANG) == id {
                let signal = status & 0x7f
                known = signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal)
            }
            return known
        }
    }
}
