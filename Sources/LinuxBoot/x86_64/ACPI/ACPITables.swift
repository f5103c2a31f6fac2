/// Tells a guest of its machine by ACPI tables (ACPI 6.5), of the hardware-reduced kind: devices are what the tables say
/// they are, and no fixed hardware.
struct ACPITables {
    /// The root pointer and all tables, as they lie in `BootLayout.acpiTables`.
    let bytes: [UInt8]
    /// Where the root pointer is.
    static let rootPointer = BootLayout.acpiTables.start

    /// - Throws: `tableTooLarge`, `tooManyProcessors`.
    init(_ hardware: HardwareDescription) throws(BootError) {
        precondition(hardware.processorCount >= 1)
        guard hardware.processorCount <= Self.processorLimit else {
            throw BootError(nil, .tooManyProcessors(hardware.processorCount, limit: Self.processorLimit))
        }
        var bytes = [UInt8](repeating: 0, count: Self.rootPointerSize)
        /// Adds a table where the bytes end; its address.
        func place(_ table: [UInt8]) -> UInt64 {
            bytes.pad(to: 16)
            let address = Self.rootPointer + UInt64(bytes.count)
            bytes += table
            return address
        }
        let namespace = place(Self.table("DSDT", revision: 2, Self.namespace(hardware)))
        let fixed = place(Self.fixedDescription(hardware, namespace: namespace))
        let interrupts = place(Self.interruptControllers(processorCount: hardware.processorCount))
        var list: [UInt8] = []
        for address in [fixed, interrupts] { list.append(field: address) }
        let root = place(Self.table("XSDT", revision: 1, list))
        bytes.replaceSubrange(0..<Self.rootPointerSize, with: Self.rootPointer(to: root))
        guard bytes.count <= BootLayout.acpiTables.count else {
            throw BootError(
                nil,
                .tableTooLarge(what: "ACPI description", size: UInt64(bytes.count), limit: BootLayout.acpiTables.count))
        }
        self.bytes = bytes
    }

    /// What local APIC entries can tell of: ids of 8 bits, of which 255 means all.
    static let processorLimit = 254
    private static let rootPointerSize = 36

    /// 5.2.5.3
    private static func rootPointer(to table: UInt64) -> [UInt8] {
        var pointer = Array("RSD PTR ".utf8)
        pointer += [0] + maker + [2]
        pointer.append(field: UInt32(0))
        pointer.append(field: UInt32(rootPointerSize))
        pointer.append(field: table)
        pointer += [0, 0, 0, 0]
        // One checksum over what ACPI 1.0 knew, one over all.
        pointer[8] = checksum(of: Array(pointer[..<20]))
        pointer[32] = checksum(of: pointer)
        return pointer
    }

    private static let maker = Array("CAISSN".utf8)

    /// 5.2.6
    private static func table(_ signature: String, revision: UInt8, _ contents: [UInt8]) -> [UInt8] {
        var table = Array(signature.utf8)
        table.append(field: UInt32(36 + contents.count))
        table += [revision, 0] + maker + Array("CAISSON ".utf8)
        table.append(field: UInt32(1))
        table += Array("CSSN".utf8)
        table.append(field: UInt32(1))
        table += contents
        table[9] = checksum(of: table)
        return table
    }

    /// The byte that makes the sum of all bytes 0.
    private static func checksum(of bytes: [UInt8]) -> UInt8 { 0 &- bytes.reduce(0, &+) }

    // MARK: FADT, 5.2.9

    private static func fixedDescription(_ hardware: HardwareDescription, namespace: UInt64) -> [UInt8] {
        // Offsets count from the table's start, of which the header is 36 bytes.
        var fields = [UInt8](repeating: 0, count: 276 - 36)
        func offset(_ fromStart: Int) -> Int { fromStart - 36 }
        fields.set(UInt32(namespace), at: offset(40))
        // IAPC_BOOT_ARCH: legacy devices are there; VGA is not.
        fields.set(UInt16((hardware.hasSerialPort ? 1 << 0 : 0) | 1 << 2), at: offset(109))
        // WBINVD works; buttons for power and sleep are no fixed hardware; RESET_REG is there; HW_REDUCED_ACPI.
        fields.set(UInt32(1 << 0 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 20), at: offset(112))
        fields.replaceSubrange(offset(116)..<offset(128), with: port(0xcf9))
        fields[offset(128)] = 0x06
        fields[offset(131)] = 5  // the minor version
        fields.set(namespace, at: offset(140))
        fields.replaceSubrange(offset(244)..<offset(256), with: port(hardware.sleepControlPort))
        fields.replaceSubrange(offset(256)..<offset(268), with: port(hardware.sleepControlPort + 1))
        return table("FACP", revision: 6, fields)
    }

    /// A port of a byte as a generic address, 5.2.3.2.
    private static func port(_ number: UInt16) -> [UInt8] {
        var address: [UInt8] = [1, 8, 0, 1]
        address.append(field: UInt64(number))
        return address
    }

    // MARK: MADT, 5.2.12

    private static func interruptControllers(processorCount: Int) -> [UInt8] {
        var contents: [UInt8] = []
        contents.append(field: BootLayout.localAPIC)
        // The 8259s are there as well.
        contents.append(field: UInt32(1))
        for id in 0..<UInt8(processorCount) {
            contents += [0, 8, id, id]
            contents.append(field: UInt32(1))
        }
        contents += [1, 12, 0, 0]
        contents.append(field: BootLayout.ioAPIC)
        contents.append(field: UInt32(0))
        // Every processor's LINT1 is NMI. No line is at a pin of another number, so nothing is overridden.
        contents += [4, 6, 0xff, 0, 0, 1]
        return table("APIC", revision: 5, contents)
    }

    // MARK: DSDT

    private static func namespace(_ hardware: HardwareDescription) -> [UInt8] {
        var devices: [[UInt8]] = []
        for id in 0..<hardware.processorCount {
            devices.append(
                AML.device(
                    "C" + hex(id, digits: 3),
                    [
                        AML.name("_HID", AML.string("ACPI0007")), AML.name("_UID", AML.integer(UInt64(id))),
                    ]))
        }
        if hardware.hasSerialPort {
            devices.append(
                AML.device(
                    "COM1",
                    [
                        AML.name("_HID", AML.eisaID("PNP0501")), AML.name("_UID", AML.integer(1)),
                        AML.name("_CRS", AML.resources([AML.ports(0x3f8, count: 8), AML.interrupt(4)])),
                    ]))
        }
        devices.append(
            AML.device(
                "RTC",
                [
                    AML.name("_HID", AML.eisaID("PNP0B00")),
                    AML.name("_CRS", AML.resources([AML.ports(0x70, count: 2), AML.interrupt(8)])),
                ]))
        for (index, window) in hardware.virtioWindows.enumerated() {
            devices.append(
                AML.device(
                    "V" + hex(index, digits: 3),
                    [
                        AML.name("_HID", AML.string("LNRO0005")), AML.name("_UID", AML.integer(UInt64(index))),
                        // It sees memory as the processors do.
                        AML.name("_CCA", AML.integer(1)),
                        AML.name(
                            "_CRS",
                            AML.resources([
                                AML.memory(window.address, size: window.size), AML.interrupt(window.gsi),
                            ])),
                    ]))
        }
        // The button tells of itself by an event of a generic event device, 5.6.9.
        devices.append(AML.device("PWRB", [AML.name("_HID", AML.eisaID("PNP0C0C")), AML.name("_UID", AML.integer(0))]))
        devices.append(
            AML.device(
                "GED",
                [
                    AML.name("_HID", AML.string("ACPI0013")), AML.name("_UID", AML.integer(0)),
                    AML.name("_CRS", AML.resources([AML.interrupt(hardware.powerButtonGSI)])),
                    // "Status changed": pressed.
                    AML.method("_EVT", argumentCount: 1, [AML.notify("PWRB", 0x80)]),
                ]))
        let powerOff = AML.integer(UInt64(hardware.powerOffSleepType))
        return AML.scope("\\_SB", devices) + AML.name("\\_S5", AML.package([powerOff, powerOff, [0], [0]]))
    }

    private static func hex(_ number: Int, digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: digits - text.count) + text
    }
}
