import Glibc
import GuestMemory
import TestSupport
import Testing

@testable import LinuxBoot

@Suite struct DeviceTreeTests {
    private let map: MemoryMap

    init() throws { map = MemoryMap(of: try GuestMemory(size: 5 << 30)) }

    private func tree(_ hardware: HardwareDescription) throws -> [UInt8] { try DeviceTree(hardware, map: map).bytes }

    /// Devicetree 0.4, 5.2
    @Test func theHeaderSaysWhatThereIs() throws {
        let bytes = try tree(.example)
        let fields = (0..<10).map { index in (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[index * 4 + $1]) } }
        #expect(fields[0] == 0xd00d_feed && Int(fields[1]) == bytes.count)
        // The version, the last that it is compatible with, and the first processor's id.
        #expect(fields[5...7] == [17, 16, 0])
        #expect(fields[2] % 4 == 0 && fields[4] % 8 == 0)
    }

    @Test func valuesAreBigEndianAndEnded() {
        #expect(DeviceNode.Value.cells([1, 0xd000_1000]).bytes == [0, 0, 0, 1, 0xd0, 0, 0x10, 0])
        #expect(DeviceNode.Value.strings(["a", "bc"]).bytes == Array("a\0bc\0".utf8))
        #expect(DeviceNode.Value.empty.bytes.isEmpty)
    }

    @Test(arguments: [0, 1, 17, 200]) func everyDeviceHasItsNode(windows: Int) throws {
        let root = DeviceTree.root(.with(windows: windows, processors: 3), map: map)
        let devices = root.children.filter { $0.name.hasPrefix("virtio@") }
        #expect(devices.count == windows && Set(devices.map(\.name)).count == windows)
        if let last = devices.last {
            let index = UInt32(windows - 1)
            #expect(
                last.properties == [
                    .init(name: "compatible", value: .strings(["virtio,mmio"])),
                    .init(name: "reg", value: .cells([0, 0xd000_0000 + 0x1000 * index, 0, 0x1000])),
                    .init(name: "interrupts", value: .cells([16 + index % 8, 3])),
                ])
        }
        #expect(root.children.first { $0.name == "cpus" }?.children.map(\.name) == ["cpu@0", "cpu@1", "cpu@2"])
    }

    @Test func memoryIsAllOfTheRAM() throws {
        let root = DeviceTree.root(.example, map: map)
        let memory = try #require(root.children.first { $0.name == "memory@1000" })
        let ranges = memory.properties.first { $0.name == "reg" }?.value
        #expect(
            ranges == .cells([0, 0x1000, 0, 0x7_d000, 0, 0x10_0000, 0, 0xbff0_0000, 1, 0, 0, 0x8000_0000]))
    }

    @Test func aSerialPortIsThereIfTheMachineHasOne() {
        func names(_ hardware: HardwareDescription) -> [String] {
            DeviceTree.root(hardware, map: map).children.first { $0.name == "isa@0" }?.children.map(\.name) ?? []
        }
        var hardware = HardwareDescription.example
        #expect(names(hardware) == ["rtc@i70", "serial@i3f8"])
        hardware.hasSerialPort = false
        #expect(names(hardware) == ["rtc@i70"])
    }

    @Test func tooMuchIsRefused() throws {
        #expect(throws: BootError(nil, .tooManyProcessors(255, limit: 254))) {
            try tree(.with(windows: 0, processors: 255))
        }
        #expect(throws: BootError(nil, .deviceTreeTooLarge(limit: 128 << 10))) { try tree(.with(windows: 2000)) }
        // Every size from none to enough.
        let root = DeviceTree.root(.example, map: map)
        let size = try root.flattened(limit: 4096).count
        for limit in 0..<size {
            #expect(throws: BootError.self, "\(limit) bytes") { try root.flattened(limit: limit) }
        }
    }

    @Test func kernelsThatCannotBeToldAreRefused() throws {
        var loader = BootLoader(kernel: multibootImage())
        loader.deviceTree = try tree(.example)
        let error = #expect(throws: BootError.self) { try loader.load(into: try GuestMemory(size: 16 << 20)) }
        guard case .cannotBootBy(.multiboot, _)? = error?.problem else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    /// The reference compiler reads the tree without a complaint, and makes the same of what it read.
    @Test(arguments: [(1, 1), (17, 4), (0, 254)]) func theReferenceCompilerAgrees(windows: Int, processors: Int) throws
    {
        let folder = Folder()
        let compiler = "/usr/bin/dtc"
        guard access(compiler, X_OK) == 0 else {
            print("NOT TESTED: the device tree by dtc; apt-get install device-tree-compiler")
            return
        }
        let first = folder.file("first.dtb", try tree(.with(windows: windows, processors: processors)))
        func convert(_ source: String, _ input: String, to output: String, _ file: String) -> String {
            let child = Child.run(compiler, ["-I", input, "-O", output, "-s", "-o", "\(folder.path)/\(file)", source])
            #expect(child.status == 0)
            #expect(child.output + child.errors == "", "\(input) to \(output)")
            return "\(folder.path)/\(file)"
        }
        let text = convert(first, "dtb", to: "dts", "first.dts")
        let second = convert(text, "dts", to: "dtb", "second.dtb")
        let again = convert(second, "dtb", to: "dts", "second.dts")
        let comparison = Child.run("/usr/bin/cmp", [text, again])
        #expect(comparison.status == 0, "\(comparison.output)")
    }
}
