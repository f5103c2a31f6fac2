import CLinux
import Caisson
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Linux's driver for virtio consoles and their ports.
@Suite(.needsKVM, .needsDefaultGuest, .timeLimit(.minutes(5)))
struct LinuxConsoleTests {
    @Test func consolesAndStreamsReachTheGuest() async throws {
        let folder = Folder()
        let (log, socket, second) = ("\(folder.path)/log", "\(folder.path)/agent", "\(folder.path)/second")
        let guest = try await LinuxSession.boot {
            $0.consoleDevices = [
                .init(ports: [
                    .init(attachment: FileSerialPortAttachment(path: FilePath(log))),
                    .init(
                        name: "org.example.agent", attachment: UnixSocketSerialPortAttachment(path: FilePath(socket))),
                    .init(attachment: UnixSocketSerialPortAttachment(path: FilePath(second))),
                ])
            ]
        }
        #expect(guest.machine.consoleDevicePaths == [nil, socket, second])
        func run(_ command: String) async throws -> String { try await LinuxSession.run(command, in: guest) }

        #expect(try await run("cat /sys/class/virtio-ports/*/name") == "org.example.agent\n")
        // Of the guest's consoles, all is told, in order.
        #expect(try await run("seq 1 2000 > /dev/hvc0; echo $?") == "0\n")
        // A stream both ways, whose input waits until somebody opens it.
        let agent = Descriptor(caisson_unix_connect(socket))
        agent.send("from the host\n")
        try await Task.sleep(for: .milliseconds(300))
        #expect(
            try await run(
                "p=/dev/$(basename $(dirname $(grep -l org.example /sys/class/virtio-ports/*/name))); "
                    + "exec 3<>$p; read line <&3; echo \"got $line\"; seq 1 5000 >&3"
            ) == "got from the host\n")
        let sent = (1...5000).map { "\($0)\n" }.joined()
        #expect(agent.receiveText(sent.utf8.count) == sent)
        // The other console's line.
        let console = Descriptor(caisson_unix_connect(second))
        try guest.send("{ stty raw -echo; echo wai''ting; head -n 1; } < /dev/hvc1; echo re''ady\n")
        try await guest.expect("waiting\r\n")
        console.send("typed\n")
        try await guest.expect("typed\r\n")
        try await guest.expect("ready\r\n")
        try await guest.expect(LinuxSession.prompt)

        try guest.send("poweroff\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
        let lines = (1...2000).map { "\($0)\r\n" }.joined()
        #expect(Descriptor.opening(log, O_RDONLY).receiveText(lines.utf8.count) == lines)
        #expect(access(socket, F_OK) != 0)
    }

    @Test func aGuestRunsOnAVirtioConsoleAlone() async throws {
        let folder = Folder()
        let socket = "\(folder.path)/console"
        let guest = try TestMachine(try DefaultGuest.loader("console=hvc0")) {
            $0.memorySize = 128 << 20
            $0.serialPorts = []
            $0.consoleDevices = [
                .init(ports: [.init(attachment: UnixSocketSerialPortAttachment(path: FilePath(socket)))])
            ]
        }
        try await guest.machine.start()
        let console = Descriptor(caisson_unix_connect(socket))
        var screen = ""
        // Lines may come with pauses in between.
        while !screen.hasSuffix("# "), console.isReady(POLLIN, 60_000) { screen += console.receiveText(1) }
        #expect(screen.hasSuffix("# "))
        console.send("cat /sys/class/tty/console/active; echo $((6 * 7))\n")
        #expect(console.receive(until: "42\r\n").contains("hvc0\r\n"))
        console.send("poweroff\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
    }
}
