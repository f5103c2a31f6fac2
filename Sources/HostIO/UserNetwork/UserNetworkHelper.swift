import CLinux
import HostResources
import Synchronization
import SystemPackage

/// The process behind one user network, from its start until it is reaped.
final class UserNetworkHelper: Sendable {
    private struct State: ~Copyable {
        /// The machine's end, until somebody takes it.
        var stream: OwnedFileDescriptor?
        var isReaped = false
        var watch: (loop: EventLoop, registration: EventLoop.Registration)?
    }

    /// Milliseconds that a start may take. It takes a few.
    private static let patience: Int32 = 30_000
    private static let longestMessage = 1024

    let process: pid_t
    /// Readable when the process has ended.
    private let end: SharedFileDescriptor
    private let state: Mutex<State>

    /// Starts `program` and waits until it is ready.
    init(_ program: String, _ arguments: [String]) throws(UserNetworkError) {
        var helper = caisson_helper()
        // SAFETY: the copies live until the program has started and they are freed.
        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) }
        unsafe words.append(nil)
        defer { unsafe words.forEach { unsafe free($0) } }
        let result = unsafe caisson_start_helper(program, words, &helper)
        guard result == 0 else {
            throw -result == ENOENT
                ? .noHelper(path: program) : .host(HostError("start", program, Errno(rawValue: -result)))
        }
        process = helper.process
        end = SharedFileDescriptor(OwnedFileDescriptor(owning: helper.end))
        state = Mutex(State(stream: OwnedFileDescriptor(owning: helper.stream)))
        let message = Self.readLine(OwnedFileDescriptor(owning: helper.messages))
        guard message == "ready" else {
            stop()
            throw message.isEmpty ? .silent(path: program) : .refused(message)
        }
    }

    deinit { stop() }

    /// Up to the first newline, the end, or the end of patience.
    private static func readLine(_ messages: consuming OwnedFileDescriptor) -> String {
        var line: [UInt8] = []
        while line.count < longestMessage, caisson_poll(messages.rawValue, Int16(POLLIN), patience) > 0 {
            var byte: UInt8 = 0
            // SAFETY: one byte has room in `byte`.
            guard unsafe caisson_read(messages.rawValue, &byte, 1) == 1, byte != UInt8(ascii: "\n") else { break }
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }

    /// The machine's end of the stream, for the first who asks.
    func takeStream() -> OwnedFileDescriptor? { state.withLock { $0.stream.take() } }

    /// Calls `died` on the loop with the exit status if the process ends before `stop`.
    func watch(on loop: EventLoop, died: @escaping @Sendable (Int32) -> Void) throws(HostError) {
        let registration = try loop.register(end.rawValue, for: .readable) { [weak self] _ in
            if let status = self?.reap(killing: false) { died(status) }
        }
        state.withLock { state in
            if state.isReaped { loop.remove(registration) } else { state.watch = (loop, registration) }
        }
    }

    /// Ends the process, if it has not ended, and forgets it.
    func stop() { _ = reap(killing: true) }

    /// The exit status, for the first who asks.
    private func reap(killing: Bool) -> Int32? {
        state.withLock { state in
            guard !state.isReaped else { return nil }
            state.isReaped = true
            if let watch = state.watch { watch.loop.remove(watch.registration) }
            state.watch = nil
            state.stream = nil
            // Its number is its own until it is reaped.
            if killing { _ = kill(process, SIGKILL) }
            return caisson_reap(process)
        }
    }
}
