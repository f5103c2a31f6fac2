import Glibc
import TestSupport
import Testing

/// What a disk keeps when its machine's process is killed.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .timeLimit(.minutes(10)))
struct DurabilityTests {
    private static let recordSize = 4096

    /// Each record is told once a flush behind it has succeeded: it is there whatever comes then.
    @Test(arguments: ["writeback", "none"]) func whatWasFlushedIsThereAfterAKill(cache: String) throws {
        let folder = Folder()
        let disk = folder.file("disk", [UInt8](repeating: 0, count: 64 * Self.recordSize))
        let run = try CommandRun(defaultGuest: ["--disk", "\(disk),cache=\(cache)"])
        try run.expect("# ")
        run.input?.send(
            "i=0; while [ $i -lt 64 ]; do printf %4096s $i | dd of=/dev/vda bs=4096 seek=$i conv=fsync 2> /dev/null "
                + "&& echo \"wrote:$i;\"; i=$((i + 1)); done\n")
        var told = -1
        let enough = Int.random(in: 3...9)
        while told < enough {
            try run.expect("wrote:")
            // The line itself is echoed, without a number.
            if let number = Int(try run.expect(";")) { told = number }
        }
        run.process.send(SIGKILL)
        #expect(run.process.ending() == .killed(signal: SIGKILL))
        let bytes = Descriptor.opening(disk, O_RDONLY).receive(64 * Self.recordSize)
        #expect(bytes.count == 64 * Self.recordSize)
        for number in 0...told {
            let text = "\(number)"
            let expected = String(repeating: " ", count: Self.recordSize - text.count) + text
            let record = bytes[number * Self.recordSize..<(number + 1) * Self.recordSize]
            #expect(record.elementsEqual(expected.utf8), "record \(number)")
        }
        // Whoever comes next can have the image.
        let next = try CommandRun(defaultGuest: ["--disk", disk])
        try next.expect("# ")
        #expect(try next.shell("head -c 4096 /dev/vda | tr -d ' '; echo") == "0\n")
        next.input?.send("poweroff\n")
        #expect(next.process.ending(within: .seconds(120)) == .exited(0))
    }

    /// All of it, and compared on the host.
    @Test func aDiskIsFilled() throws {
        let folder = Folder()
        let disk = folder.file("disk")
        #expect(truncate(disk, 4 << 20) == 0)
        let run = try CommandRun(defaultGuest: ["--disk", disk])
        try run.expect("# ")
        let filling = try run.shell("\(LinuxSession.numbers(blocks: 70)) | dd of=/dev/vda bs=64k iflag=fullblock")
        #expect(filling.contains("No space left on device\n") && filling.contains("64+0 records out\n"))
        let sum = try run.shell("md5sum < /dev/vda").prefix(32)
        run.input?.send("poweroff\n")
        #expect(run.process.ending(within: .seconds(120)) == .exited(0))
        #expect(Child.run("/usr/bin/md5sum", [disk]).output.prefix(32) == sum && sum.count == 32)
    }
}
