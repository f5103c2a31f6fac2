import Synchronization
import Virtio

/// A pair of queues and its way to the network.
struct QueuePair: ~Copyable {
    private var receive: ReceiveQueue
    private var transmit: TransmitQueue
    private let lane: any NetworkLane

    init(receive: consuming ReceiveQueue, transmit: consuming TransmitQueue, lane: any NetworkLane) {
        self.receive = receive
        self.transmit = transmit
        self.lane = lane
    }

    /// Serves one queue of the pair, or both.
    mutating func serve(_ settings: borrowing Mutex<VirtioNet.Settings>, isReceive: Bool? = nil) {
        if isReceive != false {
            let settings = settings.withLock { $0 }
            receive.serve(lane, settings.filter, hasChecksums: settings.receiveOffloads.contains(.checksum))
        }
        if isReceive != true { transmit.serve(lane) }
        lane.wait(forFrames: receive.isOpen, forRoom: transmit.isBlocked)
    }

    /// Goes on with the queue whose turn has come under its limits.
    mutating func turnCame(_ settings: borrowing Mutex<VirtioNet.Settings>, isReceive: Bool) {
        if isReceive { receive.turnCame() } else { transmit.turnCame() }
        serve(settings, isReceive: isReceive)
    }

    mutating func putBackAndSave() -> (VirtqueueState, VirtqueueState)? {
        guard let receive = receive.putBackAndSave(), let transmit = transmit.putBackAndSave() else { return nil }
        return (receive, transmit)
    }
}
