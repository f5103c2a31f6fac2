import Devices
import HostIO

/// The most that a device moves a second. What the guest asks for beyond it waits.
///
/// A burst is what may go at once after a pause, in addition to what the rate brings meanwhile; without it, what a tenth
/// of a second brings. A request larger than the burst goes when the device has rested for so long, and what follows waits
/// for the rest of it.
public struct RateLimit: Equatable, Sendable {
    /// Bytes a second, from 1 up.
    public var bytesPerSecond: UInt64?
    /// Operations a second, from 1 up.
    public var operationsPerSecond: UInt64?
    /// Bytes, from 1 up; only with `bytesPerSecond`.
    public var byteBurst: UInt64?
    /// Operations, from 1 up; only with `operationsPerSecond`.
    public var operationBurst: UInt64?

    /// No limit.
    public init() {}
}

extension RateLimit {
    init(_ specification: RateSpecification) {
        bytesPerSecond = specification.bytesPerSecond
        operationsPerSecond = specification.operationsPerSecond
        byteBurst = specification.byteBurst
        operationBurst = specification.operationBurst
    }

    var specification: RateSpecification {
        var specification = RateSpecification()
        specification.bytesPerSecond = bytesPerSecond
        specification.operationsPerSecond = operationsPerSecond
        specification.byteBurst = byteBurst
        specification.operationBurst = operationBurst
        return specification
    }

    /// - Throws: `invalidConfiguration`.
    func validate() throws(VirtualMachineError) {
        let numbers = [bytesPerSecond, operationsPerSecond, byteBurst, operationBurst]
        guard !numbers.contains(0) else {
            throw VirtualMachineError(.invalidConfiguration, "a limit of 0 a second: a device could move nothing")
        }
        do throws(RateSpecificationError) { try specification.validate() } catch {
            throw VirtualMachineError(.invalidConfiguration, "a burst without the limit a second that it belongs to")
        }
    }

    /// What keeps a device to it; nil where there is no limit.
    /// - Parameter loop: serves the device.
    func makeLimiter(on loop: EventLoop) throws(HostError) -> RateLimiter? {
        func limit(_ perSecond: UInt64?, _ burst: UInt64?) -> RateLimiter.Limit? {
            perSecond.map { RateLimiter.Limit(perSecond: $0, burst: burst) }
        }
        let (bytes, operations) = (limit(bytesPerSecond, byteBurst), limit(operationsPerSecond, operationBurst))
        guard bytes != nil || operations != nil else { return nil }
        let alarm = try DeviceAlarm(on: loop)
        let limiter = RateLimiter(bytes: bytes, operations: operations, timer: alarm, now: HostClock.now)
        alarm.setHandler { [weak limiter] in limiter?.timerExpired() }
        return limiter
    }
}
