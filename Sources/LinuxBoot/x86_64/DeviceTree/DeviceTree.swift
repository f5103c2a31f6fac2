/// A PC's device tree, in the words that Linux understands on x86 (arch/x86/kernel/devicetree.c): those of the first such
/// machine, Intel's CE4100. The interrupt specifier of its IOAPIC is a pin and a kind of trigger.
package struct DeviceTree {
    private static let ioAPICHandle: UInt32 = 1
    private static let edgeRising: UInt32 = 3
    private static let registerSize: UInt64 = 0x1000

    /// As it lies in the memory.
    package let bytes: [UInt8]

    /// - Throws: `tooManyProcessors`, `deviceTreeTooLarge`.
    package init(_ hardware: HardwareDescription, map: MemoryMap) throws(BootError) {
        guard hardware.processorCount <= MPTable.processorLimit else {
            throw BootError(nil, .tooManyProcessors(hardware.processorCount, limit: MPTable.processorLimit))
        }
        bytes = try Self.root(hardware, map: map).flattened(limit: Int(BootLayout.setupData.count))
    }

    static func root(_ hardware: HardwareDescription, map: MemoryMap) -> DeviceNode {
        var root = DeviceNode.root(model: "Caisson", compatible: "caisson,pc")
        root.set("interrupt-parent", ioAPICHandle)
        root.children = [
            .memory(map.entries.filter { $0.kind == .ram }.map(\.range)),
            .processors(hardware.processorCount, compatible: "intel,ce4100"),
            ioAPIC, localAPIC, ports(hardware),
        ]
        root.children += hardware.virtioWindows.map { .virtio($0, interrupt: [$0.gsi, edgeRising]) }
        return root
    }

    private static var ioAPIC: DeviceNode {
        let address = BootLayout.ioAPIC
        var node = DeviceNode(
            "interrupt-controller@\(String(address, radix: 16))", compatible: ["intel,ce4100-ioapic"])
        node.setRegisters(at: UInt64(address), size: registerSize)
        node.set("interrupt-controller", .empty)
        node.set("#interrupt-cells", 2)
        node.set("#address-cells", 0)
        node.set("phandle", ioAPICHandle)
        return node
    }

    private static var localAPIC: DeviceNode {
        let address = BootLayout.localAPIC
        var node = DeviceNode("lapic@\(String(address, radix: 16))", compatible: ["intel,ce4100-lapic"])
        node.setRegisters(at: UInt64(address), size: registerSize)
        return node
    }

    /// An ISA bus (IEEE 1275's binding for it): the first cell of an address is 1 for a port.
    private static func ports(_ hardware: HardwareDescription) -> DeviceNode {
        var bus = DeviceNode("isa@0", compatible: ["isa"])
        bus.set("#address-cells", 2)
        bus.set("#size-cells", 1)
        // 64 Ki ports, each at its own number.
        bus.set("ranges", 1, 0, 0, 0, 0x1_0000)
        bus.children = [device("rtc", compatible: "motorola,mc146818", port: 0x70, count: 2, line: 8)]
        if hardware.hasSerialPort {
            var serial = device("serial", compatible: "ns16550a", port: 0x3f8, count: 8, line: 4)
            serial.set("clock-frequency", 1_843_200)
            bus.children.append(serial)
        }
        return bus
    }

    private static func device(
        _ name: String, compatible: String, port: UInt32, count: UInt32, line: UInt32
    ) -> DeviceNode {
        var node = DeviceNode("\(name)@i\(String(port, radix: 16))", compatible: [compatible])
        node.set("reg", 1, port, count)
        node.set("interrupts", line, edgeRising)
        return node
    }
}
