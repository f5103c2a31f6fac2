import Glibc
import GuestMemory
import TestSupport
import Testing

@testable import LinuxBoot

extension HardwareDescription {
    static var example: Self {
        var hardware = HardwareDescription(
            processorCount: 2, sleepControlPort: 0x600, powerOffSleepType: 5, powerButtonGSI: 9)
        hardware.virtioWindows = [.init(address: 0xd000_0000, size: 0x1000, gsi: 16)]
        return hardware
    }

    static func with(windows: Int, processors: Int = 1) -> Self {
        var hardware = example
        hardware.processorCount = processors
        hardware.virtioWindows = (0..<windows).map {
            .init(address: 0xd000_0000 + 0x1000 * UInt32($0), size: 0x1000, gsi: 16 + UInt32($0) % 8)
        }
        return hardware
    }
}

@Suite struct ACPITests {
    /// The tables by signature, as a guest finds them from the root pointer on.
    private func tables(_ hardware: HardwareDescription) throws -> [String: [UInt8]] {
        let bytes = try ACPITables(hardware).bytes
        let base = BootLayout.acpiTables.start
        func at(_ address: UInt64) throws -> [UInt8] {
            let start = try #require(address >= base ? Int(address - base) : nil)
            let length = Int(try #require(bytes.field(UInt32.self, at: start + 4)))
            let table = Array(bytes[start..<start + length])
            #expect(address % 16 == 0 && table.reduce(0, &+) == 0, "checksum of \(table.prefix(4))")
            return table
        }
        #expect(bytes.has(Array("RSD PTR ".utf8)) && bytes[15] == 2)
        #expect(bytes[..<20].reduce(0, &+) == 0 && bytes[..<36].reduce(0, &+) == 0)
        let root = try at(try #require(bytes.field(UInt64.self, at: 24)))
        var found = ["XSDT": root]
        for offset in stride(from: 36, to: root.count, by: 8) {
            let table = try at(try #require(root.field(UInt64.self, at: offset)))
            found[String(decoding: table.prefix(4), as: UTF8.self)] = table
        }
        let fixed = try #require(found["FACP"])
        #expect(UInt64(try #require(fixed.field(UInt32.self, at: 40))) == fixed.field(UInt64.self, at: 140))
        found["DSDT"] = try at(try #require(fixed.field(UInt64.self, at: 140)))
        return found
    }

    @Test func tablesAreThere() throws {
        let tables = try tables(.example)
        #expect(Set(tables.keys) == ["XSDT", "FACP", "APIC", "DSDT"])
        let fixed = try #require(tables["FACP"])
        #expect(fixed.count == 276)
        let flags = try #require(fixed.field(UInt32.self, at: 112))
        #expect(flags & 1 << 20 != 0 && flags & 1 << 10 != 0)
        // Reset by port 0xcf9; sleep control and status.
        #expect(Array(fixed[116..<129]) == [1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 6])
        #expect(fixed.field(UInt64.self, at: 248) == 0x600 && fixed.field(UInt64.self, at: 260) == 0x601)
        let interrupts = try #require(tables["APIC"])
        #expect(interrupts.field(UInt32.self, at: 36) == 0xfee0_0000)
        #expect(Array(interrupts[44..<60]) == [0, 8, 0, 0, 1, 0, 0, 0, 0, 8, 1, 1, 1, 0, 0, 0])
        #expect(Array(interrupts[60..<72]) == [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0])
    }

    @Test(arguments: [0, 1, 7, 17, 31, 200]) func everyCountHasItsDevices(windows: Int) throws {
        let namespace = try #require(try tables(.with(windows: windows, processors: 3))["DSDT"])
        func count(_ text: String) -> Int {
            let wanted = Array(text.utf8)
            return namespace.indices.count { namespace.has(wanted, at: $0) }
        }
        #expect(count("LNRO0005") == windows && count("ACPI0007") == 3 && count("ACPI0013") == 1)
    }

    @Test func tooMuchIsRefused() throws {
        #expect(throws: BootError(nil, .tooManyProcessors(255, limit: 254))) {
            try ACPITables(.with(windows: 0, processors: 255))
        }
        #expect(throws: BootError.self) { try ACPITables(.with(windows: 2000)) }
    }

    @Test(
        arguments: [
            (0, [0x00]), (1, [0x01]), (2, [0x0a, 2]), (0x100, [0x0b, 0, 1]), (0x1_0000, [0x0c, 0, 0, 1, 0]),
            (1 << 32, [0x0e, 0, 0, 0, 0, 1, 0, 0, 0]),
        ] as [(UInt64, [UInt8])])
    func integersAreAsShortAsCanBe(value: UInt64, bytes: [UInt8]) { #expect(AML.integer(value) == bytes) }

    /// Package lengths of one to three bytes, 20.2.4.
    @Test func lengthsCountThemselves() {
        #expect(AML.buffer([UInt8](repeating: 9, count: 10)).prefix(2) == [0x11, 13])
        #expect(AML.buffer([UInt8](repeating: 9, count: 100)).prefix(3) == [0x11, 0x48, 6])
        #expect(AML.buffer([UInt8](repeating: 9, count: 5000)).prefix(4) == [0x11, 0x8e, 0x38, 1])
    }

    @Test func identifiersAreCompressed() {
        #expect(AML.eisaID("PNP0501") == [0x0c, 0x41, 0xd0, 0x05, 0x01])
        #expect(AML.eisaID("PNP0C0C") == [0x0c, 0x41, 0xd0, 0x0c, 0x0c])
    }

    /// The reference compiler reads every table, and makes the same of what it read.
    @Test(arguments: [(1, 1), (17, 1), (3, 254)]) func theReferenceCompilerAgrees(windows: Int, processors: Int) throws
    {
        let folder = Folder()
        let compiler = "/usr/bin/iasl"
        guard access(compiler, X_OK) == 0 else {
            print("NOT TESTED: the ACPI tables by iasl; apt-get install acpica-tools")
            return
        }
        for (name, bytes) in try tables(.with(windows: windows, processors: processors)) where name != "XSDT" {
            let path = folder.file("\(name).aml", bytes)
            let reading = Child.run(compiler, ["-d", path])
            #expect(reading.status == 0, "\(name): \(reading.output)\(reading.errors)")
            let writing = Child.run(compiler, ["-p", "\(folder.path)/again-\(name)", "\(folder.path)/\(name).dsl"])
            #expect(writing.status == 0, "\(name): \(writing.output)\(writing.errors)")
            let text = writing.output + writing.errors
            #expect(text.contains("0 Errors, 0 Warnings"), "\(name): \(text)")
        }
    }
}
