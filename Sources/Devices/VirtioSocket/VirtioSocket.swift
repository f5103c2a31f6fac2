import Synchronization
package import Virtio

/// The socket device (virtio 1.2, section 5.10): streams between ports of the guest's and of the host's.
///
/// A connection's bytes go between the guest's buffers and a stream of the host's without a copy in between, except for
/// those that the host has no room for. Everything is bounded: connections, what is kept of each, and answers that wait for
/// the guest to have buffers for them.
package final class VirtioSocket: VirtioDevice {
    /// VMADDR_CID_HOST.
    package static let hostCID: UInt64 = 2
    /// Cids that a guest can have: those below mean others, and the last any (5.10.4).
    package static let guestCIDs: ClosedRange<UInt64> = 3...UInt64(UInt32.max) - 1
    /// Bytes kept for the host's side of a connection, which the guest can send without hearing of more room.
    package static let bufferSize: UInt32 = 128 << 10
    /// Connections at a time, either way.
    package static let connectionLimit = 512
    /// Ticks of a second until a guest that does not answer is not waited for any more.
    static let patience = 10
    static let tick: UInt64 = 1_000_000_000

    /// What is saved beside the transport's state. Connections are not: the guest hears that they are gone.
    package struct State: Codable, Equatable, Sendable {
        package var guestCID: UInt64
    }

    package let type = VirtioDeviceType.socket
    /// VIRTIO_VSOCK_F_STREAM.
    package let features = VirtioFeatures(rawValue: 1)
    /// Linux fills the first with buffers of 4 KiB before it gets to its init: 64 are all that it lets a connection send
    /// unasked, 256 KiB, and each more would cost an emulated guest a thousand instructions.
    package let maximumQueueSizes: [UInt16] = [64, 256, 8]
    package let configuration: VirtioConfigurationSpace

    private let guestCID: UInt64
    private let host: any SocketHost
    private let timer: any DeviceTimer
    // Held while the device is served: reset waits for its end.
    private let active = Mutex<Active>(Active())

    private struct Active: ~Copyable {
        var core: SocketCore?
        var isTimerSet = false
        var mustTellReset = false
    }

    /// - Parameters:
    ///   - guestCID: one of `guestCIDs`.
    ///   - host: what the guest's connections lead to.
    ///   - timer: has `timerExpired()` called.
    package init(guestCID: UInt64, host: any SocketHost, timer: any DeviceTimer) {
        precondition(Self.guestCIDs.contains(guestCID))
        self.guestCID = guestCID
        self.host = host
        self.timer = timer
        configuration = VirtioConfigurationSpace([UInt8](repeating: 0, count: 8))
        configuration.store(guestCID, at: 0)
    }

    /// The device as it was saved, without its connections, of which the guest hears that they are gone.
    /// - Throws: `invalid` for a state that no device could be in.
    package convenience init(
        restoring state: State, host: any SocketHost, timer: any DeviceTimer
    ) throws(DeviceStateError) {
        guard Self.guestCIDs.contains(state.guestCID) else {
            throw .invalid(
                device: "socket device", field: "guestCID", value: Int(truncatingIfNeeded: state.guestCID))
        }
        self.init(guestCID: state.guestCID, host: host, timer: timer)
        active.withLock { $0.mustTellReset = true }
    }

    package var state: State { State(guestCID: guestCID) }

    // MARK: The host's side

    /// Asks the guest for a connection to its `port`. From any thread, but not from within a call of the device's.
    /// - Parameters:
    ///   - stream: the host's side of it, the device's from now on.
    ///   - answer: called once, sometimes before this returns; with the device's lock held, so it calls no device.
    package func connect(
        _ stream: any SocketStream, toPort port: UInt32, answer: @escaping @Sendable (SocketAnswer) -> Void
    ) {
        serve { core in
            guard core != nil else { return SocketCore.refuse(stream, .notReady, answer) }
            core?.connect(stream, toPort: port, answer: answer)
        }
    }

    /// The time that was asked for has come. From any thread.
    package func timerExpired() {
        serve(isTimer: true) { $0?.tick() }
    }

    private func streamChanged(_ number: Int) {
        serve { $0?.streamChanged(number) }
    }

    private func serve(isTimer: Bool = false, _ body: (inout SocketCore?) -> Void) {
        active.withLock { active in
            body(&active.core)
            if isTimer { active.isTimerSet = false }
            guard !active.isTimerSet, active.core?.isWaitingForGuest ?? false else { return }
            active.isTimerSet = true
            timer.schedule(after: Self.tick)
        }
    }

    // MARK: The driver's side

    package func activate(_ activation: VirtioActivation) {
        active.withLock { active in
            guard let receive = activation.makeQueue(SocketCore.Queue.receive),
                let transmit = activation.makeQueue(SocketCore.Queue.transmit),
                let event = activation.makeQueue(SocketCore.Queue.event)
            else { return }
            active.core = SocketCore(
                guestCID: guestCID, host: host, notifier: activation.notifier,
                changed: { [weak self] number in { [weak self] in self?.streamChanged(number) } },
                receiveQueue: receive, transmitQueue: transmit, eventQueue: event,
                mustTellReset: active.mustTellReset)
            active.mustTellReset = false
            active.core?.tellReset()
        }
    }

    package func reset() {
        active.withLock { active in
            active.core?.closeAll()
            active.core = nil
            active.isTimerSet = false
            timer.schedule(after: nil)
        }
    }

    package func queueNotified(_ index: Int) {
        serve { core in
            switch index {
            case SocketCore.Queue.receive: core?.receive()
            case SocketCore.Queue.transmit: core?.transmit()
            default: core?.tellReset()
            }
        }
    }

    package var queueStates: [VirtqueueState?]? {
        active.withLock { active in
            guard active.core != nil else { return [nil, nil, nil] }
            return active.core?.queueStates
        }
    }
}
