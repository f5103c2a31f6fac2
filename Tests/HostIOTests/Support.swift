import CLinux
import Glibc
import HostIO
import Synchronization
import TestSupport
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

/// Bytes that show a loss, a repetition or a swap, without the command key.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { index in
        let step: Int = index * 7 + index / 95
        return UInt8(32 + step % 95)
    }
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
