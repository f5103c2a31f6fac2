import GuestAgent
import Testing

@testable import Caisson

/// What is checked of commands and root file systems before there is any guest.
@Suite struct GuestCommandTests {
    @Test func `a command becomes a request`() throws {
        var command = GuestCommand(["ls", "-l"])
        command.environment = ["B": "2", "A": "1=x"]
        command.user = "me"
        command.terminal = .init(rows: 2, columns: 3)
        command.synchronizesDisks = true
        var request = CommandRequest(arguments: ["ls", "-l"])
        request.environment = ["A=1=x", "B=2"]
        request.user = "me"
        request.terminal = .init(rows: 2, columns: 3)
        request.isSynchronized = true
        #expect(try CommandRequest(command) == request)
    }

    static let impossible: [[String]] = [
        [], ["a\0b"], ["x", String(repeating: "y", count: 1 << 20)], Array(repeating: "z", count: 600_000),
    ]

    @Test(arguments: impossible) func `what no command can be is refused`(words: [String]) {
        let error = #expect(throws: VirtualMachineError.self) { try CommandRequest(GuestCommand(words)) }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test func `a root file system needs a disk and a socket device`() throws {
        var configuration = VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: "k"))
        configuration.rootFileSystem = GuestRootFileSystem(type: "erofs")
        #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        configuration.storageDevices = [VirtioBlockDeviceConfiguration(.init(.scratch(byteCount: 4096)))]
        #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        configuration.socketDevices = [VirtioSocketDeviceConfiguration()]
        try configuration.validate()
        for type in ["", "a b", "ext4/", String(repeating: "x", count: 32)] {
            configuration.rootFileSystem = GuestRootFileSystem(type: type)
            #expect(throws: VirtualMachineError.self) { try configuration.validate() }
        }
        configuration.rootFileSystem = GuestRootFileSystem(type: "ext4")
        configuration.rootFileSystem?.partition = 129
        #expect(throws: VirtualMachineError.self) { try configuration.validate() }
    }

    @Test func `the agent is told of the disk, the network and the time`() throws {
        var configuration = VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: "k"))
        configuration.name = "web"
        var root = GuestRootFileSystem(type: "ext4")
        root.partition = 3
        let setup = root.setup(in: configuration)
        #expect(setup.device == "/dev/vda3" && setup.type == "ext4" && setup.options == "noload")
        #expect(setup.hostName == "web" && setup.network == nil)
        #expect(try #require(setup.time).seconds > 1_700_000_000)
        configuration.name = "no name\0"
        configuration.networkDevices = [VirtioNetworkDeviceConfiguration(.init(.user(.init())))]
        let other = GuestRootFileSystem(type: "erofs").setup(in: configuration)
        #expect(other.device == "/dev/vda" && other.options == "" && other.hostName == "machine")
        #expect(other.network?.address == 0x0a00_020f)
    }

    @Test func `a machine that does not run runs no commands`() async throws {
        var configuration = VirtualMachineConfiguration(bootLoader: LinuxBootLoader(kernel: "k"))
        let deaf = try VirtualMachine(configuration: configuration)
        var error = await #expect(throws: VirtualMachineError.self) { try await deaf.run(GuestCommand(["ls"])) }
        #expect(error?.code == .notSupported)
        configuration.socketDevices = [VirtioSocketDeviceConfiguration()]
        let machine = try VirtualMachine(configuration: configuration)
        error = await #expect(throws: VirtualMachineError.self) { try await machine.run(GuestCommand(["ls"])) }
        #expect(error?.code == .guestFailure)
        #expect(error?.message.contains("not running") == true)
    }

    @Test func `a console's last lines are kept, and cannot harm a terminal`() {
        let tail = ConsoleTail()
        for number in 0..<2000 { tail.append(Array("line \(number)\r\n".utf8).span) }
        #expect(tail.lines(atMost: 2) == ["line 1998", "line 1999"])
        tail.append(Array("\u{1b}[2Ja\n\n".utf8).span)
        #expect(tail.lines(atMost: 1) == ["?[2Ja"])
        #expect(tail.lines(atMost: 10_000).count < ConsoleTail.limit / 10)
    }
}
