import Synchronization
import TestSupport
import Testing

@testable import Devices

/// A clock that stands until it is moved, and its timer.
final class ManualTimer: DeviceTimer {
    private struct State {
        var now: UInt64 = 1_000_000
        var due: UInt64?
    }

    private let state = Mutex(State())

    var now: UInt64 { state.withLock { $0.now } }
    var isSet: Bool { state.withLock { $0.due != nil } }

    func schedule(after nanoseconds: UInt64?) {
        state.withLock { state in state.due = nanoseconds.map { state.now + $0 } }
    }

    /// Goes on to when the timer is due. False if it is not set.
    func expire() -> Bool {
        state.withLock { state in
            guard let due = state.due else { return false }
            state.now = due
            state.due = nil
            return true
        }
    }

    /// Goes on by a time. Whether the timer was due meanwhile.
    func advance(by nanoseconds: UInt64) -> Bool {
        state.withLock { state in
            state.now += nanoseconds
            guard let due = state.due, due <= state.now else { return false }
            state.due = nil
            return true
        }
    }
}

@Suite struct RateLimiterTests {
    private final class Log: Sendable {
        let queues = Mutex<[Int]>([])
    }

    private let timer = ManualTimer()
    private let log = Log()

    private func limiter(bytes: RateLimiter.Limit?, operations: RateLimiter.Limit?) -> RateLimiter {
        let (timer, log) = (timer, log)
        let limiter = RateLimiter(bytes: bytes, operations: operations, timer: timer) { timer.now }
        limiter.start { queue in log.queues.withLock { $0.append(queue) } }
        return limiter
    }

    @Test func aLimitHasABurstOfItsOwn() {
        #expect(RateLimiter.Limit(perSecond: 1000).burst == 100)
        #expect(RateLimiter.Limit(perSecond: 5).burst == 1)
        #expect(RateLimiter.Limit(perSecond: 5, burst: 7).burst == 7)
    }

    @Test func queuesWaitInTheOrderInWhichTheyAsked() {
        let limiter = limiter(bytes: .init(perSecond: 1000, burst: 100), operations: nil)
        #expect(limiter.begins(100, queue: 0))
        #expect(!limiter.begins(100, queue: 2))
        // A small one does not overtake.
        #expect(!limiter.begins(1, queue: 1))
        #expect(!limiter.begins(0, queue: 0))
        #expect(timer.expire())
        #expect(timer.now == 101_000_000)
        limiter.timerExpired()
        #expect(log.queues.withLock { $0 } == [2])
        #expect(timer.expire())
        limiter.timerExpired()
        #expect(log.queues.withLock { $0 } == [2, 1, 0])
        #expect(!timer.isSet)
    }

    @Test func bothLimitsHold() {
        let limiter = limiter(
            bytes: .init(perSecond: 1_000_000, burst: 1000), operations: .init(perSecond: 10, burst: 2))
        #expect(limiter.begins(1, queue: 0) && limiter.begins(1, queue: 0))
        #expect(!limiter.begins(1, queue: 0))
        #expect(timer.expire() && timer.now == 101_000_000)
        // A timer that comes early changes nothing.
        limiter.timerExpired()
        limiter.timerExpired()
        #expect(log.queues.withLock { $0 } == [0])
    }

    /// What begins before its size is known is paid for by what comes next.
    @Test func aChargeIsOwed() {
        let limiter = limiter(
            bytes: .init(perSecond: 1000, burst: 100), operations: .init(perSecond: 1_000_000, burst: 100))
        #expect(limiter.begins(0, queue: 0))
        limiter.charge(150)
        #expect(!limiter.begins(0, queue: 0) && !limiter.begins(20, queue: 1))
        #expect(timer.expire() && timer.now == 51_000_000)
        limiter.timerExpired()
        #expect(log.queues.withLock { $0 } == [0])
        limiter.charge(10)
        #expect(timer.expire() && timer.now == 71_000_000)
        limiter.timerExpired()
        // It was 20 that the second wanted, and 10 are owed before.
        #expect(log.queues.withLock { $0 } == [0] && timer.expire() && timer.now == 81_000_000)
        limiter.timerExpired()
        #expect(log.queues.withLock { $0 } == [0, 1])
    }

    @Test func aStopEndsAllWaiting() {
        let limiter = limiter(bytes: nil, operations: .init(perSecond: 1, burst: 1))
        #expect(limiter.begins(0, queue: 0) && !limiter.begins(0, queue: 0))
        limiter.stop()
        #expect(!timer.isSet)
        limiter.timerExpired()
        #expect(log.queues.withLock { $0 }.isEmpty)
        // No new burst.
        #expect(!limiter.begins(0, queue: 0))
    }
}
