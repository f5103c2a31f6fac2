import CLinux
import Foundation
import Synchronization
import Testing

@testable import HostIO

@Suite struct HostThreadTests {
    private static let most = 1024

    private struct Sight: Sendable, Equatable {
        var name = ""
        var processor: Int32 = -1
        var allowed: [Int32] = []
        var blocksTermination = false
        var blocksCrashes = true

        /// The calling thread's.
        static func now() -> Sight {
            var set = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &set)
            return Sight(
                name: HostThreadTests.status()[1], processor: HostThreadTests.processor(),
                allowed: HostThreadTests.allowed(), blocksTermination: sigismember(&set, SIGTERM) == 1,
                blocksCrashes: sigismember(&set, SIGSEGV) == 1)
        }
    }

    private final class Box<Value: Sendable>: Sendable {
        let value: Mutex<Value?> = Mutex(nil)
    }

    /// The fields of the calling thread's status (proc_pid_stat(5)).
    private static func status() -> [String] {
        let text = (try? String(contentsOfFile: "/proc/thread-self/stat", encoding: .utf8)) ?? ""
        return text.split { " ()".contains($0) }.map(String.init)
    }

    /// The one that the calling thread is on.
    private static func processor() -> Int32 { Int32(status()[38]) ?? -1 }

    /// The processors that the calling thread may be on.
    private static func allowed() -> [Int32] {
        var processors = [Int32](repeating: -1, count: Self.most)
        let count = caisson_get_processors(&processors, Int32(Self.most))
        return Array(processors.prefix(Int(count)))
    }

    private func look(from place: HostThread.Place) throws -> Sight {
        let box = Box<Sight>()
        let thread = try HostThread(name: "fifteen-letters", at: place) { box.value.withLock { $0 = .now() } }
        #expect(!thread.isCurrent)
        // Without sleeping: who wakes up may be on another processor.
        while box.value.withLock({ $0 == nil }) {}
        thread.join()
        return try #require(box.value.withLock { $0 })
    }

    @Test(arguments: [HostThread.Place.anywhere, .elsewhere])
    func aThreadHasItsNameAndNoSignalsOfTheProcess(place: HostThread.Place) throws {
        let sight = try look(from: place)
        #expect(sight.name == "fifteen-letters")
        #expect(sight.allowed == Self.allowed())
        #expect(sight.blocksTermination && !sight.blocksCrashes)
    }

    @Test func aThreadBeginsElsewhere() throws {
        var (count, elsewhere) = (0, 0)
        for _ in 0..<200 where count < 50 {
            let here = Self.processor()
            let there = try look(from: .elsewhere).processor
            // Somebody may have moved this thread meanwhile.
            guard Self.processor() == here else { continue }
            count += 1
            if there != here { elsewhere += 1 }
        }
        // The new one may have been moved, but seldom.
        #expect(Self.allowed().count == 1 || count > 0 && elsewhere > count / 2, "\(elsewhere) of \(count)")
    }

    /// Where there is no other processor it begins here.
    @Test func aThreadBeginsOnTheOnlyProcessor() throws {
        let box = Box<[Sight]>()
        let processor = try #require(Self.allowed().last)
        try HostThread(name: "pinned") {
            let result = caisson_pin_thread(processor)
            let sight = try? look(from: .elsewhere)
            box.value.withLock { $0 = result == 0 && sight != nil ? [.now(), sight!] : [] }
        }.join()
        let sights = try #require(box.value.withLock { $0 })
        #expect(sights.map(\.allowed) == [[processor], [processor]])
        #expect(sights.map(\.processor) == [processor, processor])
    }

    @Test func aProcessorThatIsNoneIsRefused() {
        for processor: Int32 in [-1, .min, .max, 1 << 20] { #expect(caisson_pin_thread(processor) == -EINVAL) }
    }

    @Test func theCurrentThreadIsTheCallers() throws {
        let current = HostThread.current
        #expect(current.isCurrent)
        try HostThread(name: "other") { #expect(!current.isCurrent && HostThread.current.isCurrent) }.join()
    }
}
