import CLinux
import HostResources
import Synchronization
import SystemPackage

/// What an event loop and its thread share.
final class EventLoopCore: Sendable {
    typealias Readiness = EventLoop.Readiness

    private struct Entry {
        let descriptor: Int32
        let handler: @Sendable (Readiness) -> Void
        var interest: Readiness = []
        /// The interest that epoll knows: none during a pause.
        var watched: Readiness = []
        /// epoll refuses it, as it does regular files.
        var isAlwaysReady = false
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var alwaysReady: Set<UInt64> = []
        /// Ends of pauses.
        var pauses: [UInt64: ContinuousClock.Instant] = [:]
        var nextID: UInt64 = wakeID + 1
        var work: [@Sendable () -> Void] = []
        var isStopping = false
    }

    private static let wakeID: UInt64 = 0

    struct Thread {
        var id: pthread_t?
        /// Somebody joins or detaches it.
        var isTakenOver = false
    }

    let thread = Mutex(Thread())
    private let epoll: OwnedFileDescriptor
    private let wake: HostEvent
    private let state = Mutex(State())

    init() throws(HostError) {
        let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw HostError("create", "an event loop", .current) }
        self.epoll = OwnedFileDescriptor(owning: epoll)
        wake = try HostEvent()
        let errno = control(EPOLL_CTL_ADD, wake.descriptor, .readable, Self.wakeID)
        guard errno == nil else { throw HostError("watch", "an eventfd", errno ?? .current) }
    }

    // MARK: From any thread

    func register(
        _ descriptor: Int32, for interest: Readiness, handler: @escaping @Sendable (Readiness) -> Void
    ) throws(HostError) -> EventLoop.Registration {
        let (id, errno) = state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            state.entries[id] = Entry(descriptor: descriptor, handler: handler)
            let errno = setInterest(interest, of: id, &state)
            if errno != nil { state.entries[id] = nil }
            return (id, errno)
        }
        if let errno { throw HostError("watch", "descriptor \(descriptor)", errno) }
        return EventLoop.Registration(id: id)
    }

    func setInterest(_ interest: Readiness, of registration: EventLoop.Registration) {
        check(state.withLock { setInterest(interest, of: registration.id, &$0) })
    }

    /// A registered descriptor is open and was accepted once; what is left is the kernel being out of memory.
    private func check(_ errno: Errno?) {
        precondition(errno == nil, "epoll_ctl failed: \(errno.map(String.init(describing:)) ?? "")")
    }

    func remove(_ registration: EventLoop.Registration) {
        // What the handler keeps alive may end with it, and call the loop: that is for after the lock.
        let entry = state.withLock { state in
            _ = setInterest([], of: registration.id, &state)
            state.pauses[registration.id] = nil
            return state.entries.removeValue(forKey: registration.id)
        }
        withExtendedLifetime(entry) {}
    }

    func pause(_ registration: EventLoop.Registration, for time: Duration) {
        let errno = state.withLock { state in
            state.pauses[registration.id] = .now + time
            return watch(registration.id, &state)
        }
        check(errno)
        // The end may come before what the loop waits for.
        wakeUp()
    }

    func submit(_ work: @escaping @Sendable () -> Void) {
        let mustWake = state.withLock { state in
            state.work.append(work)
            return state.work.count == 1
        }
        if mustWake { wakeUp() }
    }

    func requestStop() {
        state.withLock { $0.isStopping = true }
        wakeUp()
    }

    private func setInterest(_ interest: Readiness, of id: UInt64, _ state: inout State) -> Errno? {
        state.entries[id]?.interest = interest
        return watch(id, &state)
    }

    /// Has epoll wait for what the descriptor is to be waited for now.
    private func watch(_ id: UInt64, _ state: inout State) -> Errno? {
        guard var entry = state.entries[id] else { return nil }
        let interest = state.pauses[id] == nil ? entry.interest : []
        guard entry.watched != interest else { return nil }
        defer { state.entries[id] = entry }
        if !entry.isAlwaysReady {
            let operation =
                entry.watched.isEmpty ? EPOLL_CTL_ADD : interest.isEmpty ? EPOLL_CTL_DEL : EPOLL_CTL_MOD
            let errno = control(operation, entry.descriptor, interest, id)
            // EPERM: the file's kind has no readiness to wait for.
            if let errno, errno != .notPermitted { return errno }
            entry.isAlwaysReady = errno == .notPermitted
        }
        entry.watched = interest
        if entry.isAlwaysReady {
            if interest.isDisjoint(with: [.readable, .writable]) {
                state.alwaysReady.remove(id)
            } else if state.alwaysReady.insert(id).inserted {
                wakeUp()
            }
        }
        return nil
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Readiness, _ id: UInt64) -> Errno? {
        let result = caisson_watch(epoll.rawValue, operation, descriptor, interest.rawValue, id)
        return result == 0 ? nil : Errno(rawValue: -result)
    }

    private func wakeUp() { wake.signal() }

    // MARK: On the loop

    func run() {
        var events = InlineArray<32, caisson_event>(repeating: caisson_event())
        while true {
            let (isBusy, pauseEnd) = state.withLock { (!$0.alwaysReady.isEmpty, $0.pauses.values.min()) }
            let count = wait(&events, timeout: isBusy ? 0 : Self.milliseconds(until: pauseEnd))
            if pauseEnd != nil { endPauses() }
            for index in 0..<count {
                if events[index].id == Self.wakeID {
                    wake.clear()
                } else {
                    call(events[index].id, Readiness(rawValue: events[index].events))
                }
            }
            if isBusy {
                for id in state.withLock({ $0.alwaysReady }) { call(id, nil) }
            }
            let (work, isStopping) = state.withLock { state in
                let work = state.work
                state.work = []
                return (work, state.isStopping)
            }
            for item in work { item() }
            if isStopping { return end() }
        }
    }

    /// epoll's timeout.
    private static func milliseconds(until end: ContinuousClock.Instant?) -> Int32 {
        guard let end else { return -1 }
        let (seconds, attoseconds) = ContinuousClock.now.duration(to: end).components
        // Rounded up; a longer pause ends after a further wait.
        return Int32(clamping: max(0, min(seconds, 3600) * 1000 + attoseconds / 1_000_000_000_000_000 + 1))
    }

    private func endPauses() {
        let errno = state.withLock { state in
            let now = ContinuousClock.now
            var first: Errno?
            for id in state.pauses.filter({ $0.value <= now }).keys {
                state.pauses[id] = nil
                first = watch(id, &state) ?? first
            }
            return first
        }
        check(errno)
    }

    private func wait(_ events: inout InlineArray<32, caisson_event>, timeout: Int32) -> Int {
        var storage = events.mutableSpan
        let count = unsafe storage.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: the buffer has room for as many events as are asked for.
            unsafe caisson_wait(epoll.rawValue, buffer.baseAddress, Int32(buffer.count), timeout)
        }
        precondition(count >= 0 || count == -EINTR, "epoll_wait failed with errno \(-count)")
        return max(0, Int(count))
    }

    /// A descriptor removed meanwhile has no entry, and its event is void. Without `readiness` it is what was asked for.
    private func call(_ id: UInt64, _ readiness: Readiness?) {
        let found = state.withLock { state in
            state.entries[id].map { ($0.handler, readiness ?? $0.interest) }
        }
        if let (handler, readiness) = found { handler(readiness) }
    }

    // Handlers keep their owners alive, so they go when the thread does.
    private func end() {
        while true {
            let (entries, work) = state.withLock { state in
                let rest = (state.entries, state.work)
                state.entries = [:]
                state.alwaysReady = []
                state.pauses = [:]
                state.work = []
                return rest
            }
            if entries.isEmpty, work.isEmpty { return }
            for item in work { item() }
        }
    }
}
