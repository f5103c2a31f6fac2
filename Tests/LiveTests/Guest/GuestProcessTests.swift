import Caisson
import SystemPackage
import TestSupport
import Testing

/// `VirtualMachine.run(_:)` in the default guest, beside its shell on the console.
@Suite(.needsKVM, .needsAgent, .timeLimit(.minutes(15)))
struct GuestProcessTests {
    private func machine() async throws -> TestMachine {
        let guest = try TestMachine(DefaultGuest.loader()) {
            $0.memorySize = 128 << 20
            $0.socketDevices = [VirtioSocketDeviceConfiguration()]
        }
        try await guest.machine.start()
        return guest
    }

    private func text(of output: GuestOutput) async -> String {
        var bytes: [UInt8] = []
        for await chunk in output { bytes += chunk }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func script(_ text: String) -> GuestCommand { GuestCommand(["sh", "-c", text]) }

    @Test func `commands run side by side`() async throws {
        let guest = try await machine()
        let machine = guest.machine

        // Before the guest is up, and several at once.
        var cat = script("cat; exit 3")
        cat.hasStandardInput = true
        async let writing = machine.run(cat)
        async let other = machine.run(script("echo out; echo err >&2; kill -9 $$"))
        let (first, second) = try await (writing, other)
        #expect(first.processIdentifier != second.processIdentifier)
        #expect(await text(of: second.standardOutput) == "out\n")
        #expect(await text(of: second.standardError) == "err\n")
        let killed = try await second.waitUntilExit()
        #expect(killed.status == .signaled(9))
        #expect(killed.userTime + killed.systemTime > .zero)
        #expect(killed.maximumResidentSize > 100_000)

        // More than all the windows between them hold.
        let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        async let written: Void = {
            await first.write(bytes)
            first.finishWriting()
        }()
        var read: [UInt8] = []
        for await chunk in first.standardOutput { read += chunk }
        await written
        #expect(read == bytes)
        #expect(try await first.waitUntilExit().status == .exited(3))

        // What is not there, by its code.
        let error = await #expect(throws: VirtualMachineError.self) {
            try await machine.run(GuestCommand(["/bin/nosuch"]))
        }
        #expect(error?.code == .commandNotFound)
        // busybox's applets are found by their names alone.
        let list = try await machine.run(GuestCommand(["ls", "/init"]))
        #expect(await text(of: list.standardOutput) == "/init\n")

        // A terminal, its size, signals, and a reader that stops.
        var shell = script("trap 'stty size; exit 6' USR1; stty size; while :; do sleep 1; done")
        shell.terminal = .init(rows: 3, columns: 4)
        let terminal = try await machine.run(shell)
        var output = terminal.standardOutput.makeAsyncIterator()
        #expect(await output.next() == Array("3 4\r\n".utf8))
        let reading = Task {
            var iterator = terminal.standardError.makeAsyncIterator()
            return await iterator.next()
        }
        reading.cancel()
        #expect(await reading.value == nil)
        terminal.resize(.init(rows: 5, columns: 6))
        terminal.send(signal: 10)
        // The shell may tell of its `sleep`, which the signal ended, before.
        var said: [UInt8] = []
        while let chunk = await output.next() { said += chunk }
        #expect(said.ends(with: Array("5 6\r\n".utf8)))
        #expect(try await terminal.waitUntilExit().status == .exited(6))

        // The machine's end is that of its commands.
        let endless = try await machine.run(script("sleep 1000"))
        let waiting = Task { try await endless.waitUntilExit() }
        try await machine.stop()
        let lost = await #expect(throws: VirtualMachineError.self) { try await waiting.value }
        #expect(lost?.code == .guestFailure)
        let late = await #expect(throws: VirtualMachineError.self) { try await machine.run(script("true")) }
        #expect(late?.code == .guestFailure)
    }
}
