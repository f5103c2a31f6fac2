import CLinux
import Caisson
import Dispatch
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Stream sockets between the host and Linux, both ways.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .needsCompiler, .timeLimit(.minutes(10)))
struct LinuxSocketTests {
    private let folder = Folder()

    /// A guest with the program `vsock` in it.
    private func boot(
        _ device: VirtioSocketDeviceConfiguration, restarts: Bool = false
    ) async throws -> TestMachine {
        let source = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let program = "\(folder.path)/vsock"
        let compiled = Child.run(
            "/usr/bin/gcc", ["-static", "-O2", "-s", "-o", program, "\(source)/vsock.c"],
            environment: ["PATH": "/usr/bin:/bin"])
        #expect(compiled.status == 0, "\(compiled.errors)")
        let ramdisk = folder.file("vsock.cpio", Cpio.archive(["bin/vsock": bytes(of: program)]))
        return try await LinuxSession.boot(ramdisk: FilePath(ramdisk)) {
            $0.socketDevices = [device]
            $0.restartsOnReset = restarts
        }
    }

    private func bytes(of path: String) -> [UInt8] {
        let file = Descriptor.opening(path, O_RDONLY)
        var status = stat()
        fstat(file.raw, &status)
        return file.receive(Int(status.st_size))
    }

    private func client(_ path: String, port: UInt32) -> (Descriptor, String) {
        let client = Descriptor(caisson_unix_connect(path))
        client.send("CONNECT \(port)\n")
        return (client, client.receive(until: "\n"))
    }

    /// Sends all, ends its half, and returns what comes back.
    private func exchange(_ bytes: [UInt8], over raw: Int32) async -> [UInt8] {
        let copy = Descriptor(dup(raw))
        async let sent: Void = onThread {
            copy.send(bytes)
            shutdown(copy.raw, Int32(SHUT_WR))
        }
        let received = await onThread { receiveAll(raw, bytes.count + 1) }
        await sent
        return received
    }

    @Test func bytesGoBothWays() async throws {
        signal(SIGPIPE, SIG_IGN)
        let path = "\(folder.path)/s"
        let guest = try await boot(VirtioSocketDeviceConfiguration(path: FilePath(path)))
        func run(_ command: String) async throws -> String { try await LinuxSession.run(command, in: guest) }
        #expect(try await run("cat /sys/bus/virtio/devices/virtio0/device") == "0x0013\n")

        // The host connects: through a path, and in this process.
        try guest.send("vsock echo 52 &\n")
        try await guest.expect("listening", within: .seconds(120))
        let sent = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 253) }
        let (byPath, line) = client(path, port: 52)
        #expect(line.hasPrefix("OK 1073741"))
        #expect(await exchange(sent, over: byPath.raw) == sent)
        try await guest.expect("echo 1048576", within: .seconds(120))
        let connection = try await guest.machine.socketDevices[0].connect(toPort: 52)
        #expect(connection.destinationPort == 52 && connection.sourcePort > 1 << 30)
        let part = Array(sent.prefix(300_000))
        #expect(await exchange(part, over: connection.fileDescriptor.rawValue) == part)
        try await guest.expect("echo 300000", within: .seconds(120))
        #expect(client(path, port: 99).1 == "ERROR nobody in the guest listens at port 99\n")
        await #expect(throws: VirtualMachineError.self) { try await guest.machine.socketDevices[0].connect(toPort: 99) }

        // The guest connects: to a path, to this process, and to nobody.
        let service = Descriptor(caisson_unix_listen("\(path)_77"))
        try guest.send("vsock connect 77 < /bin/vsock > out; cmp /bin/vsock out && echo sa''me\n")
        #expect(await onThread { service.isReady(POLLIN, 120_000) })
        let fromGuest = Descriptor(caisson_accept(service.raw))
        let received = await onThread { receiveAll(fromGuest.raw, .max) }
        #expect(received == bytes(of: "\(folder.path)/vsock"))
        fromGuest.send(received)
        shutdown(fromGuest.raw, Int32(SHUT_WR))
        try await guest.expect("same", within: .seconds(120))
        try await guest.expect(LinuxSession.prompt)

        let listener = VirtioSocketListener()
        guest.machine.socketDevices[0].setSocketListener(listener, forPort: 78)
        try guest.send("echo hello | vsock connect 78\n")
        var connections = listener.connections.makeAsyncIterator()
        let accepted = try #require(await connections.next())
        #expect(await onThread { receiveAll(accepted.fileDescriptor.rawValue, .max) } == Array("hello\n".utf8))
        accepted.close()
        try await guest.expect(LinuxSession.prompt, within: .seconds(120))
        #expect(try await run("vsock connect 79; echo $?").hasSuffix("1\n"))

        // A path is there as long as the machine runs.
        try await guest.machine.stop()
        #expect(access(path, F_OK) != 0)
        await #expect(throws: VirtualMachineError.self) { try await guest.machine.socketDevices[0].connect(toPort: 52) }
    }

    @Test func manyConnectionsKeepApart() async throws {
        let path = "\(folder.path)/s"
        let guest = try await boot(VirtioSocketDeviceConfiguration(path: FilePath(path)))
        for service in ["echo 52", "source 54 2000000"] {
            try guest.send("vsock \(service) &\n")
            try await guest.expect("listening", within: .seconds(120))
        }
        // One that the host does not read meanwhile.
        let unread = client(path, port: 54).0
        let echoed = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<16 {
                group.addTask {
                    let bytes = (0..<20_000 + index).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ index &+ $0 / 251) }
                    let (client, line) = await onThread { self.client(path, port: 52) }
                    return await self.exchange(bytes, over: client.raw) == bytes && line.hasPrefix("OK ")
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(echoed == 16)
        #expect(await onThread { receiveAll(unread.raw, .max) }.count == 2_000_000)
        try await guest.machine.stop()
    }

    @Test func slowReadersGetEverything() async throws {
        let path = "\(folder.path)/s"
        let guest = try await boot(VirtioSocketDeviceConfiguration(path: FilePath(path)))
        let service = Descriptor(caisson_unix_listen("\(path)_77"))
        try guest.send("(vsock send 77 200000; echo go''ne) &\n")
        #expect(await onThread { service.isReady(POLLIN, 120_000) })
        let late = Descriptor(caisson_accept(service.raw))
        shutdown(late.raw, Int32(SHUT_WR))
        // The guest's program has ended before the host reads.
        try await guest.expect("gone", within: .seconds(120))
        #expect(await onThread { receiveAll(late.raw, .max) }.count == 200_000)

        // The host's has ended before the guest reads, and the device has waited long enough for the guest to follow.
        try guest.send("vsock sink 55 &\n")
        try await guest.expect("listening", within: .seconds(120))
        do {
            let (client, line) = client(path, port: 55)
            #expect(line.hasPrefix("OK "))
            _ = try await LinuxSession.run("killall -STOP vsock", in: guest)
            await onThread { client.send([UInt8](repeating: 7, count: 200_000)) }
        }
        try await Task.sleep(for: .seconds(12))
        try guest.send("killall -CONT vsock\n")
        try await guest.expect("sink 200000", within: .seconds(120))

        // A machine that ends answers who waits for its guest.
        try await guest.machine.pause()
        let device = guest.machine.socketDevices[0]
        let waiting = Task { try await device.connect(toPort: 55) }
        try await Task.sleep(for: .milliseconds(200))
        try await guest.machine.stop()
        await #expect(throws: VirtualMachineError.self) { try await waiting.value }
    }

    @Test func aGuestThatResetsInTheMiddleLeavesNothingBehind() async throws {
        let guest = try await boot(VirtioSocketDeviceConfiguration(), restarts: true)
        try guest.send("vsock source 54 1000000000 &\n")
        try await guest.expect("listening", within: .seconds(120))
        let connection = try await guest.machine.socketDevices[0].connect(toPort: 54)
        let raw = connection.fileDescriptor.rawValue
        #expect(await onThread { receiveAll(raw, 100_000) }.count == 100_000)
        try guest.send("reboot -f\n")
        // What was on its way, and the end.
        let rest = await onThread { receiveAll(raw, .max) }
        #expect(rest.count < 1_000_000_000)
        try await guest.expect("Restarting system", within: .seconds(120))
        try await guest.expect(LinuxSession.prompt, within: .seconds(180))
        try guest.send("vsock echo 55 &\n")
        try await guest.expect("listening", within: .seconds(120))
        let second = try await guest.machine.socketDevices[0].connect(toPort: 55)
        #expect(await exchange(Array("again".utf8), over: second.fileDescriptor.rawValue) == Array("again".utf8))
        try await guest.machine.stop()
    }
}

/// What comes within two minutes, up to `count` bytes or the end.
private func receiveAll(_ raw: Int32, _ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while bytes.count < count, caisson_poll(raw, Int16(POLLIN), 120_000) > 0 {
        let got = read(raw, &buffer, min(buffer.count, count - bytes.count))
        if got <= 0 { break }
        bytes += buffer[..<got]
    }
    return bytes
}

/// Calls that wait belong on a thread of their own.
private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        DispatchQueue(label: "waiting").async { continuation.resume(returning: body()) }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where the guest's program cannot be built.
    fileprivate static var needsCompiler: Self {
        .enabled(
            if: access("/usr/bin/gcc", X_OK) == 0 && access("/usr/lib/x86_64-linux-gnu/libc.a", R_OK) == 0,
            "needs a C compiler: apt-get install gcc libc6-dev")
    }
}
