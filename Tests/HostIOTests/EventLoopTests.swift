import Glibc
import HostIO
import Synchronization
import TestSupport
import Testing

/// Counts and remembers from handlers.
private final class Log<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    func append(_ element: Element) { elements.withLock { $0.append(element) } }
    var all: [Element] { elements.withLock { $0 } }
}

@Suite struct EventLoopTests {
    private let loop: EventLoop

    init() throws { loop = try EventLoop(name: "test") }

    @Test func `work runs in order, on the loop, and before it stops`() {
        let log = Log<Int>()
        #expect(!loop.isCurrent)
        for index in 0..<1000 {
            loop.submit { [loop] in
                if loop.isCurrent { log.append(index) }
            }
        }
        loop.submit { [loop] in loop.submit { log.append(1000) } }
        loop.stop()
        #expect(log.all.elementsEqual(0...1000))
        loop.stop()
        loop.submit { log.append(-1) }
        #expect(log.all.count == 1001)
    }

    @Test func `a descriptor's handler is called while it is ready as asked`() throws {
        let (read, write) = Descriptor.pipe()
        let log = Log<UInt8>()
        let registration = try loop.register(read.raw, for: .readable) { readiness in
            var byte: UInt8 = 0
            if readiness.contains(.readable), Glibc.read(read.raw, &byte, 1) == 1 { log.append(byte) }
        }
        write.send([1, 2, 3])
        #expect(eventually { log.all == [1, 2, 3] })
        loop.setInterest([], of: registration)
        write.send([4])
        usleep(20_000)
        #expect(log.all.count == 3)
        loop.setInterest(.readable, of: registration)
        #expect(eventually { log.all.count == 4 })
        loop.remove(registration)
        loop.remove(registration)
        loop.setInterest(.readable, of: registration)
        write.send([5])
        usleep(20_000)
        #expect(log.all.count == 4)
    }

    @Test func `a loop that starts later finds what came before`() throws {
        let later = try EventLoop(name: "later", startsNow: false)
        let (read, write) = Descriptor.pipe()
        let log = Log<UInt8>()
        _ = try later.register(read.raw, for: .readable) { _ in
            var byte: UInt8 = 0
            if Glibc.read(read.raw, &byte, 1) == 1 { log.append(byte) }
        }
        later.submit { [later] in log.append(later.isCurrent ? 10 : 11) }
        write.send([1])
        usleep(20_000)
        #expect(log.all.isEmpty)
        try later.start()
        try later.start()
        #expect(eventually { log.all.sorted() == [1, 10] })
        later.stop()
        try later.start()
        later.submit { log.append(12) }
        #expect(log.all.count == 2)
    }

    @Test func `a loop that never starts does what was submitted when it stops, and lets go of its handlers`() throws {
        let never = try EventLoop(name: "never", startsNow: false)
        let log = Log<Int>()
        var timer: LoopTimer? = try LoopTimer(on: never) {}
        weak let ended = timer
        let (read, _) = Descriptor.pipe()
        _ = try never.register(read.raw, for: []) { [timer] _ in withExtendedLifetime(timer) {} }
        timer = nil
        never.submit { log.append(1) }
        #expect(ended != nil && log.all.isEmpty)
        never.stop()
        #expect(ended == nil && log.all == [1])
        never.stop()
    }

    @Test func `a loop runs on its caller's thread until that has what it wants, and again`() throws {
        let own = try EventLoop(name: "own", startsNow: false)
        let log = Log<Int>()
        let caller = HostThread.current
        for round in 1...2 {
            own.submit { [own] in log.append(own.isCurrent && caller.isCurrent ? round : -1) }
            #expect(!own.isCurrent)
            own.run(until: { !log.all.isEmpty && log.all.last == round })
        }
        #expect(log.all == [1, 2])
        // What is done already is not waited for.
        own.run(until: { true })
        own.submit { log.append(3) }
        own.stop()
        #expect(log.all == [1, 2, 3])
    }

    @Test(arguments: [true, false]) func `a stop ends a loop on its caller's thread`(onLoop: Bool) throws {
        let own = try EventLoop(name: "own", startsNow: false)
        let log = Log<Int>()
        own.submit { [own, loop] in
            log.append(1)
            if onLoop { own.stop() } else { loop.submit { own.stop() } }
        }
        own.run(until: { false })
        own.submit { log.append(2) }
        #expect(log.all == [1])
        // It stays stopped, and does what was submitted too late only for whoever runs it.
        own.run(until: { false })
        #expect(log.all == [1, 2])
    }

    @Test func `work waits for its time`() throws {
        let log = Log<Int>()
        let begin = ContinuousClock.now
        try loop.submit(after: .milliseconds(30)) { log.append(3) }
        try loop.submit(after: .seconds(-1)) { log.append(1) }
        #expect(eventually { log.all == [1] })
        #expect(eventually { log.all == [1, 3] })
        #expect(ContinuousClock.now - begin >= .milliseconds(30))
    }

    @Test func `work whose time never comes ends with the loop`() throws {
        let own = try EventLoop(name: "own", startsNow: false)
        var kept: Log<Int>? = Log<Int>()
        weak let ended = kept
        try own.submit(after: .seconds(1_000_000_000)) { [kept] in kept?.append(1) }
        kept = nil
        #expect(ended != nil)
        own.stop()
        #expect(ended == nil)
    }

    @Test func `a timer goes on until it is stopped`() throws {
        let log = Log<Int>()
        let timer = try LoopTimer(on: loop) { log.append(1) }
        timer.schedule(after: 1_000_000, every: 2_000_000)
        #expect(eventually { log.all.count >= 5 })
        timer.schedule(after: nil)
        let count = log.all.count
        usleep(20_000)
        // One may have been under way.
        #expect(log.all.count <= count + 1)
    }

    @Test func `a hang-up is told with any interest, and without one keeps nobody busy`() throws {
        var (read, write): (Descriptor?, Descriptor) = Descriptor.pipe()
        let log = Log<EventLoop.Readiness>()
        let told = Mutex<EventLoop.Registration?>(nil)
        let registration = try loop.register(write.raw, for: []) { [loop] readiness in
            log.append(readiness)
            told.withLock { if let it = $0 { loop.setInterest([], of: it) } }
        }
        told.withLock { $0 = registration }
        withExtendedLifetime(read) {}
        read = nil
        usleep(20_000)
        #expect(log.all.isEmpty)
        loop.setInterest(.hangUp, of: registration)
        #expect(eventually { log.all.count == 1 })
        usleep(20_000)
        #expect(log.all == [.error])
    }

    @Test func `a file is always ready`() throws {
        let directory = TemporaryDirectory()
        let file = Descriptor.opening(directory.file("f", "abc"), O_RDONLY)
        let log = Log<UInt8>()
        let ends = Log<Int>()
        let registered = Mutex<EventLoop.Registration?>(nil)
        registered.withLock {
            $0 = try? loop.register(file.raw, for: .readable) { [loop] readiness in
                var byte: UInt8 = 0
                if readiness == .readable, read(file.raw, &byte, 1) == 1 { return log.append(byte) }
                ends.append(1)
                registered.withLock { if let it = $0 { loop.setInterest([], of: it) } }
            }
        }
        #expect(eventually { ends.all.count == 1 })
        usleep(20_000)
        #expect(ends.all.count == 1)
        #expect(log.all == Array("abc".utf8))
    }

    @Test func `a bad descriptor is refused`() {
        #expect(throws: HostError.self) { try loop.register(-1, for: .readable) { _ in } }
        #expect(throws: HostError.self) { try loop.register(999_999, for: .readable) { _ in } }
    }

    @Test func `a timer goes off once, not before its time, and not when cancelled`() throws {
        let log = Log<ContinuousClock.Instant>()
        let timer = try LoopTimer(on: loop) { log.append(.now) }
        let start = ContinuousClock.now
        timer.schedule(after: 20_000_000)
        #expect(eventually { log.all.count == 1 })
        #expect(log.all.first.map { start.duration(to: $0) >= .milliseconds(20) } == true)
        timer.schedule(after: 0)
        #expect(eventually { log.all.count == 2 })
        timer.schedule(after: 5_000_000)
        timer.schedule(after: nil)
        usleep(20_000)
        #expect(log.all.count == 2)
    }

    @Test func `a paused descriptor is left alone, and what it is waited for may change meanwhile`() throws {
        let log = Log<(name: String, time: ContinuousClock.Instant)>()
        var registrations: [EventLoop.Registration] = []
        for name in ["goes on", "unwanted", "removed"] {
            let (read, write) = Descriptor.pipe()
            write.send("x")
            registrations.append(
                try loop.register(read.raw, for: []) { _ in
                    log.append((name, .now))
                    _ = (read.receive(1), write)
                })
        }
        let start = ContinuousClock.now
        loop.pause(registrations[0], for: .milliseconds(60))
        loop.pause(registrations[1], for: .milliseconds(20))
        loop.pause(registrations[2], for: .milliseconds(20))
        for registration in registrations { loop.setInterest(.readable, of: registration) }
        loop.setInterest([], of: registrations[1])
        loop.remove(registrations[2])
        #expect(eventually { log.all.count == 1 })
        #expect(log.all.allSatisfy { $0.name == "goes on" && start.duration(to: $0.time) >= .milliseconds(60) })
    }

    @Test func `a loop that is dropped on itself ends`() throws {
        let log = Log<Int>()
        var other: EventLoop? = try EventLoop(name: "dropped")
        other?.submit { [other] in
            usleep(10_000)
            withExtendedLifetime(other) { log.append(1) }
        }
        other = nil
        #expect(eventually { log.all == [1] })
    }

    @Test func `what only a handler keeps alive ends with its registration`() throws {
        var timer: LoopTimer? = try LoopTimer(on: loop) {}
        let (read, _) = Descriptor.pipe()
        weak let ended = timer
        let registration = try loop.register(read.raw, for: []) { [timer] _ in withExtendedLifetime(timer) {} }
        timer = nil
        #expect(ended != nil)
        loop.remove(registration)
        #expect(ended == nil)
    }

    @Test func `threads and descriptors are given back`() async {
        await #expect(processExitsWith: .success) {
            let before = try settledResources(threads: "leak")
            for _ in 0..<50 {
                let loop = try EventLoop(name: "leak")
                let timer = try LoopTimer(on: loop) {}
                timer.schedule(after: 1000)
                let (read, _) = Descriptor.pipe()
                _ = try loop.register(read.raw, for: .readable) { _ in withExtendedLifetime(read) {} }
                loop.submit {}
                loop.stop()
            }
            let after = resources(threads: "leak")
            precondition(after == before, "\(after) is not \(before)")
        }
    }
}
