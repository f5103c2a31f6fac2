import CLinux
import HostResources
import Synchronization
import SystemPackage

/// A console on a pseudo-terminal of its own, which clients such as `screen` open and leave as they like.
///
/// Nothing tells when a client opens the terminal, so as long as there is none it is asked ten times a second.
final class PseudoterminalSide: ConsoleSide {
    private struct State {
        var timer: LoopTimer?
        var isStopped = false
    }

    private static let pollTime: UInt64 = 100_000_000

    /// The device that clients open.
    let path: String
    private let link: String?
    private let queues: ConsoleQueues
    private let loop: EventLoop
    private let master: OwnedFileDescriptor
    private let state = Mutex(State())

    /// - Parameter link: where to make a symbolic link to the terminal. One that an earlier machine left is replaced.
    init(_ queues: ConsoleQueues, link: String?, loop: EventLoop) throws(HostError) {
        var raw: Int32 = -1
        var name = [CChar](repeating: 0, count: 128)
        // SAFETY: both are written during the call, `name` with a terminating NUL.
        let result = unsafe caisson_open_pseudoterminal(&raw, &name, name.count)
        guard result == 0 else { throw HostError("create", "a pseudo-terminal", Errno(rawValue: -result)) }
        master = OwnedFileDescriptor(owning: raw)
        path = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.queues = queues
        self.link = link
        self.loop = loop
        // The terminal counts as hung up only after somebody has opened and closed it.
        _ = try OwnedFileDescriptor(opening: path, .readWrite, options: .nonBlocking)
        if let link { try makeLink(link) }
    }

    func start() throws(HostError) {
        let timer = try LoopTimer(on: loop) { [weak self] in self?.look() }
        state.withLock { $0.timer = timer }
        look()
    }

    func inputEnded() { clientLeft() }
    func outputFailed(_ errno: Errno) { clientLeft() }

    func stop() {
        state.withLock { state in
            state.isStopped = true
            state.timer = nil
        }
        // SAFETY: a string is passed as a C string for the time of the call.
        if let link, readLink(link) == path { _ = unsafe unlink(link) }
    }

    private func look() {
        let ready = caisson_poll(master.rawValue, Int16(POLLIN), 0)
        // A client that came and went between two looks may have left something to read.
        let hasClient = ready & Int32(POLLHUP) == 0 || ready & Int32(POLLIN) != 0
        state.withLock { state in
            guard !state.isStopped else { return }
            if hasClient, attach() { return }
            state.timer?.schedule(after: Self.pollTime)
        }
    }

    private func attach() -> Bool {
        do {
            try queues.output.attach(HostStream(duplicating: master.rawValue, .immediate))
            try queues.input.attach(HostStream(duplicating: master.rawValue, .immediate))
            return true
        } catch {
            queues.detach()
            return false
        }
    }

    private func clientLeft() {
        queues.detach()
        // The next client finds a raw terminal, whatever this one made of it.
        _ = caisson_make_raw(master.rawValue)
        look()
    }

    private func makeLink(_ link: String) throws(HostError) {
        // SAFETY: strings are passed as C strings for the time of the calls.
        if let target = readLink(link), target.hasPrefix("/dev/pts/") { _ = unsafe unlink(link) }
        guard unsafe symlink(path, link) == 0 else { throw HostError("create", link, .current) }
    }

    private func readLink(_ link: String) -> String? {
        var target = [CChar](repeating: 0, count: 4096)
        // SAFETY: the kernel writes at most as many bytes as there are.
        let count = unsafe readlink(link, &target, target.count)
        guard count >= 0 else { return nil }
        return String(decoding: target.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
