import CLinux
import Devices
import HostIO
import Virtio

/// A stream of complete frames as a network device's interface.
final class FrameNetwork: NetworkInterface {
    let properties: NetworkProperties
    private let port: FramePort

    init(_ port: FramePort, address: UInt64, mtu: UInt16) {
        self.port = port
        var properties = NetworkProperties(address: address)
        properties.mtu = mtu
        self.properties = properties
    }

    var isUp: Bool { port.isConnected }

    func watchLink(_ changed: @escaping @Sendable () -> Void) { port.watchLink(changed) }

    func makeLane(pair: Int, ready: @escaping @Sendable () -> Void) -> any NetworkLane {
        port.start()
        port.setHandler(ready)
        return Lane(port)
    }

    // Frames are complete, and there is one pair of queues.
    func setReceiveOffloads(_ offloads: NetworkOffloads) {}
    func setPairCount(_ count: Int) {}

    private final class Lane: NetworkLane {
        private let port: FramePort
        private var segments = SegmentArray()

        init(_ port: FramePort) { self.port = port }

        deinit { port.setHandler(nil) }

        // SAFETY: the device keeps the request, and so its buffers, until `flush` has returned.
        func send(_ header: NetworkHeader, _ frame: GuestBuffers) -> Bool {
            unsafe port.send(frame.segments, byteCount: Int(frame.byteCount))
        }

        func flush() { port.flush() }

        // SAFETY: the buffers are the device's during this call.
        func receive(into buffers: [GuestBuffers]) -> Int? {
            segments.set(buffers)
            return unsafe port.receive(into: segments.all)
        }

        func wait(forFrames: Bool, forRoom: Bool) { port.wait(forFrames: forFrames, forRoom: forRoom) }
    }
}
