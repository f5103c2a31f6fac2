import GuestMemory

/// What machines of every architecture have. All is for a root with two cells for an address and two for a size.
extension DeviceNode {
    /// An empty tree's root.
    static func root(model: String, compatible: String) -> DeviceNode {
        var root = DeviceNode("", compatible: [compatible])
        root.set("model", .strings([model]))
        root.set("#address-cells", 2)
        root.set("#size-cells", 2)
        return root
    }

    /// 3.4
    static func memory(_ ranges: [MemoryRange]) -> DeviceNode {
        var node = DeviceNode("memory@\(unit(ranges.first?.start ?? 0))")
        node.set("device_type", "memory")
        node.set("reg", .cells(ranges.flatMap { cells(of: $0.start) + cells(of: $0.count) }))
        return node
    }

    /// 3.7 and 3.8: `count` processors, whose ids are 0 and up.
    static func processors(_ count: Int, compatible: String) -> DeviceNode {
        var node = DeviceNode("cpus")
        node.set("#address-cells", 1)
        node.set("#size-cells", 0)
        node.children = (0..<UInt32(count)).map { id in
            var processor = DeviceNode("cpu@\(unit(UInt64(id)))", compatible: [compatible])
            processor.set("device_type", "cpu")
            processor.set("reg", id)
            return processor
        }
        return node
    }

    /// A virtio device over MMIO (virtio 1.2, 4.2.1).
    /// - Parameter interrupt: the specifier, in the cells of the tree's interrupt controller.
    static func virtio(_ window: HardwareDescription.VirtioWindow, interrupt: [UInt32]) -> DeviceNode {
        var node = DeviceNode("virtio@\(unit(UInt64(window.address)))", compatible: ["virtio,mmio"])
        node.setRegisters(at: UInt64(window.address), size: UInt64(window.size))
        node.set("interrupts", .cells(interrupt))
        return node
    }

    mutating func setRegisters(at address: UInt64, size: UInt64) {
        set("reg", .cells(Self.cells(of: address) + Self.cells(of: size)))
    }

    private static func cells(of value: UInt64) -> [UInt32] {
        [UInt32(truncatingIfNeeded: value >> 32), UInt32(truncatingIfNeeded: value)]
    }

    private static func unit(_ address: UInt64) -> String { String(address, radix: 16) }
}
