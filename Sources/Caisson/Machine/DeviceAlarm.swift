import Devices
import HostIO
import Synchronization

/// A timer of an event loop's for a device, which is made after it.
final class DeviceAlarm: DeviceTimer, Sendable {
    private final class Handler: Sendable {
        let call = Mutex<(@Sendable () -> Void)?>(nil)
    }

    private let timer: LoopTimer
    private let handler: Handler

    init(on loop: EventLoop) throws(HostError) {
        let handler = Handler()
        self.handler = handler
        timer = try LoopTimer(on: loop) { handler.call.withLock { $0 }?() }
    }

    /// - Parameter call: called on the loop; it does not keep what keeps this alarm.
    func setHandler(_ call: @escaping @Sendable () -> Void) { handler.call.withLock { $0 = call } }

    func schedule(after nanoseconds: UInt64?) { timer.schedule(after: nanoseconds) }
}
