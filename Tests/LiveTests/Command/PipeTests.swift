import Glibc
import TestSupport
import Testing

/// The built command with pipes for its standard streams.
@Suite(.needsKVM, .timeLimit(.minutes(2)))
struct PipeTests {
    @Test func inputReachesTheGuestAndItsEndIsNotTheMachines() throws {
        let run = try CommandRun(GuestCode.echo)
        run.input?.send("HAL")
        run.input = nil
        #expect(run.output?.receiveText(3) == "IBM")
        #expect(run.process.ending(within: .milliseconds(200)) == nil)
        run.process.send(SIGTERM)
        #expect(run.status() == 128 + SIGTERM)
        #expect(run.errors == "")
    }

    @Test func nothingOfAPastedScreenfulIsLost() throws {
        let run = try CommandRun(GuestCode.echo)
        let text = (0..<4096).map { index in
            let step: Int = index * 7 + index / 95
            return UInt8(32 + step % 95)
        }
        run.input?.send(text)
        #expect(run.output?.receive(text.count) == text.map { $0 + 1 })
    }

    /// Ctrl-A x means nothing where nobody types.
    @Test func thereIsNoCommandKey() throws {
        let run = try CommandRun(GuestCode.echo)
        run.input?.send("\u{1}x")
        #expect(run.output?.receiveText(2) == "\u{2}y")
    }

    @Test func theMachineOutlivesItsReader() throws {
        let run = try CommandRun(GuestCode.print("x", count: 30_000) + GuestCode.powerOff)
        #expect(run.output?.receiveText(3) == "xxx")
        run.output = nil
        #expect(run.status() == 0)
        #expect(
            run.errors
                == "caisson: warning: the console's output is thrown away from now on: cannot write to "
                + "standard output: Broken pipe\n")
    }

    @Test func everyByteIsWrittenBeforeTheEnd() throws {
        let run = try CommandRun(GuestCode.print("y", count: 20_000) + GuestCode.powerOff)
        #expect(run.output?.receive(30_000).count == 20_000)
        #expect(run.status() == 0)
    }

    @Test func streamsMayBeClosed() throws {
        let folder = Folder()
        let kernel = folder.file("kernel", TestKernel.multiboot(GuestCode.print("z") + GuestCode.powerOff))
        let process = ChildProcess(
            try BuiltCommand.path(), ["run", "--kernel", kernel], environment: BuiltCommand.environment(folder),
            streams: (nil, nil, nil))
        #expect(process.ending() == .exited(0))
    }
}
