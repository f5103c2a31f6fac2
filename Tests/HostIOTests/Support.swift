import CLinux
import Glibc
import HostIO
import Synchronization
import Testing

/// A fresh directory that goes with its value.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/caisson-test-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? ""
        precondition(!path.isEmpty)
    }

    deinit {
        for name in names(in: path) { unlink(path + "/" + name) }
        rmdir(path)
    }

    func file(_ name: String, _ contents: String = "") -> String {
        let file = path + "/" + name
        let descriptor = open(file, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
        _ = contents.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
        return file
    }
}

/// A descriptor that closes itself.
final class Descriptor: Sendable {
    let raw: Int32

    init(_ raw: Int32) {
        precondition(raw >= 0, "errno \(errno)")
        self.raw = raw
    }

    deinit { close(raw) }

    static func pipe() -> (read: Descriptor, write: Descriptor) {
        var ends: [Int32] = [-1, -1]
        precondition(Glibc.pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (Descriptor(ends[0]), Descriptor(ends[1]))
    }

    static func opening(_ path: String, _ flags: Int32) -> Descriptor { Descriptor(open(path, flags | O_CLOEXEC)) }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(raw, $0.baseAddress, $0.count) }
            if count > 0 { sent += count } else if errno == EAGAIN { isReady(POLLOUT, 1000) } else { return }
        }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    @discardableResult
    func isReady(_ events: Int32 = POLLIN, _ milliseconds: Int32 = 0) -> Bool {
        caisson_poll(raw, Int16(events), milliseconds) & events != 0
    }

    /// What is there within ten seconds, up to `count` bytes; stops early at the end or an error.
    func receive(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < count, caisson_poll(raw, Int16(POLLIN), 10_000) > 0 {
            let got = read(raw, &buffer, min(buffer.count, count - bytes.count))
            if got <= 0 { break }
            bytes += buffer[..<got]
        }
        return bytes
    }

    func receiveText(_ count: Int) -> String { String(decoding: receive(count), as: UTF8.self) }

    /// Up to and with `end`.
    func receive(until end: String) -> String {
        var text: [UInt8] = []
        while !text.ends(with: Array(end.utf8)) {
            let next = receive(1)
            if next.isEmpty { break }
            text += next
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension Array where Element: Equatable {
    func ends(with suffix: [Element]) -> Bool {
        count >= suffix.count && Array(self[(count - suffix.count)...]) == suffix
    }
}

/// A pseudo-terminal with the settings of a terminal that a person types at.
struct TestTerminal {
    let master: Descriptor
    let slave: Descriptor
    let path: String

    init() {
        var raw: Int32 = -1
        var name = [CChar](repeating: 0, count: 128)
        precondition(caisson_open_pseudoterminal(&raw, &name, name.count) == 0)
        master = Descriptor(raw)
        path = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
        slave = .opening(path, O_RDWR | O_NOCTTY)
        var mode = termios()
        tcgetattr(slave.raw, &mode)
        mode.c_lflag |= tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
        mode.c_iflag |= tcflag_t(ICRNL | IXON)
        mode.c_oflag |= tcflag_t(OPOST | ONLCR)
        tcsetattr(slave.raw, TCSANOW, &mode)
    }

    /// The settings that raw mode changes.
    static func modes(of descriptor: Int32) -> [tcflag_t] {
        var mode = termios()
        tcgetattr(descriptor, &mode)
        return [mode.c_iflag, mode.c_oflag, mode.c_lflag, mode.c_cflag]
    }

    var modes: [tcflag_t] { Self.modes(of: slave.raw) }

    static func isRaw(_ descriptor: Int32) -> Bool { modes(of: descriptor)[2] & tcflag_t(ICANON | ECHO | ISIG) == 0 }

    var isRaw: Bool { Self.isRaw(slave.raw) }
}

/// The guest's side of a console: takes what it has room for.
final class TestGuest: Sendable {
    private struct State {
        var received: [UInt8] = []
        var room = Int.max
        var events: [Console.Event] = []
        var ready = 0
        var outside: [String] = []
    }

    private let state = Mutex(State())

    init(room: Int = .max) { state.withLock { $0.room = room } }

    func start(_ console: Console) throws {
        try console.start(
            deliver: { bytes in
                self.state.withLock { state in
                    let taken = min(bytes.count, state.room)
                    for index in 0..<taken { state.received.append(bytes[index]) }
                    if state.room != .max { state.room -= taken }
                    return taken
                }
            },
            outputReady: { self.state.withLock { $0.ready += 1 } },
            event: { event in self.state.withLock { $0.events.append(event) } })
    }

    var received: [UInt8] { state.withLock { $0.received } }
    var text: String { String(decoding: received, as: UTF8.self) }
    var events: [Console.Event] { state.withLock { $0.events } }
    /// How often there was room for output again.
    var ready: Int { state.withLock { $0.ready } }
    func setRoom(_ room: Int) { state.withLock { $0.room = room } }
}

extension Console {
    /// Writes all of `bytes`, waiting for room as a guest does.
    func writeAll(_ bytes: [UInt8]) {
        var written = 0
        while written < bytes.count {
            let rest = Array(bytes[written...])
            written += write(rest.span)
            if written < bytes.count { usleep(100) }
        }
    }

    func write(_ text: String) { writeAll(Array(text.utf8)) }
}

/// Whether `condition` holds within ten seconds.
func eventually(_ condition: () -> Bool) -> Bool {
    for _ in 0..<10_000 {
        if condition() { return true }
        usleep(1000)
    }
    return false
}

/// Bytes that show a loss, a repetition or a swap, without the command key.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { index in
        let step: Int = index * 7 + index / 95
        return UInt8(32 + step % 95)
    }
}

/// What is in a directory.
func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { names.append(String(cString: $0)) }
        }
    }
    return names
}

/// Open descriptors of this process, and its threads of a name, once the process, which is one of a test's own, has
/// everything that the test's surroundings open.
func settledResources(threads name: String = "") throws -> [Int] {
    try EventLoop(name: "first").stop()
    usleep(200_000)
    return resources(threads: name)
}

/// Open descriptors of this process, and its threads of a name.
func resources(threads name: String = "") -> [Int] {
    let threads = names(in: "/proc/self/task").filter {
        let descriptor = open("/proc/self/task/\($0)/comm", O_RDONLY)
        guard descriptor >= 0 else { return false }
        return Descriptor(descriptor).receiveText(100) == name + "\n"
    }
    return [names(in: "/proc/self/fd").count, threads.count]
}

/// A thread of a test's own.
final class Thread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private let id: pthread_t

    init(_ body: @escaping @Sendable () -> Void) {
        var id = pthread_t()
        let result = pthread_create(
            &id, nil,
            { context in
                context.map { Unmanaged<Body>.fromOpaque($0).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(Body(body)).toOpaque())
        precondition(result == 0)
        self.id = id
    }

    func join() { pthread_join(id, nil) }
}
