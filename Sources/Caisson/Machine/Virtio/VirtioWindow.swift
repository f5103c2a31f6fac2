import Devices

/// Where a virtio device over MMIO is in the machine: a window of its own, and an interrupt line that it shares with
/// none.
struct VirtioWindow: Equatable, Sendable {
    /// The guest-physical address of the registers; `VirtioMMIOTransport.windowSize` bytes.
    let address: UInt64
    /// The line, edge-triggered.
    let gsi: UInt32

    private static let first: UInt64 = 0xd000_0000
    /// First the lines that no PC's device ever had, then those of devices that this machine has none of.
    private static let lines: [UInt32] = [16, 17, 18, 19, 20, 21, 22, 23, 5, 7, 10, 11, 12, 14, 15, 6, 3]

    /// The most virtio devices of a machine.
    static var limit: Int { lines.count }

    /// The place of device `index`, below `limit`.
    init(index: Int) {
        address = Self.first + UInt64(index) * VirtioMMIOTransport.windowSize
        gsi = Self.lines[index]
    }

    /// What tells Linux of the device on its command line.
    var commandLineWord: String {
        "virtio_mmio.device=4K@0x\(String(address, radix: 16)):\(gsi)"
    }
}
