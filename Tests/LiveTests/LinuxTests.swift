import CLinux
import Caisson
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Boots Linux and works in its shell.
@Suite(.serialized, .needsKVM, .needsDefaultGuest, .timeLimit(.minutes(5)))
struct LinuxTests {
    private static let prompt = LinuxSession.prompt

    private func boot(
        _ words: String = "", change: (inout VirtualMachineConfiguration) -> Void = { _ in }
    ) async throws -> TestMachine { try await LinuxSession.boot(words, change: change) }

    private func run(_ command: String, in guest: TestMachine) async throws -> String {
        try await LinuxSession.run(command, in: guest)
    }

    @Test func userSpaceWorks() async throws {
        let guest = try await boot()

        // Programs, pipelines, subshells, files.
        #expect(try await run("uname -s", in: guest) == "Linux\n")
        #expect(try await run("seq 1 100 | grep 7 | wc -l", in: guest) == "19\n")
        #expect(try await run("(echo b; echo a) | sort | tr -d '\\n'; echo", in: guest) == "ab\n")
        #expect(try await run("for i in 1 2 3; do echo $i > /tmp/$i; done; cat /tmp/[123]", in: guest) == "1\n2\n3\n")
        #expect(
            try await run("head -c 100000 /dev/zero | md5sum", in: guest).hasPrefix("0019d23bef56a136a1891211d7007f6f"))
        #expect(try await run("false || echo $?", in: guest) == "1\n")

        // Programs use the vector registers that they see, so the kernel has to save them.
        #expect(try await run("grep -c -w xsave /proc/cpuinfo", in: guest) == "1\n")

        // Signals, background jobs, timers.
        #expect(try await run("sleep 100 & kill -9 $!; wait $!; echo $?", in: guest).contains("137"))
        #expect(try await run("trap 'echo caught' USR1; kill -USR1 $$; trap - USR1", in: guest) == "caught\n")
        #expect(try await run("timeout 1 sleep 100; echo $?", in: guest).contains("143"))
        try guest.send("sleep 100\n")
        try await guest.expect("sleep 100\r\n")
        // The shell gives the terminal to the command first.
        try await Task.sleep(for: .seconds(2))
        try guest.send("\u{3}")
        try await guest.expect(Self.prompt)

        // Time: of day, and passing.
        let before = Int(time(nil))
        let told = Int(try await run("date +%s", in: guest).split(separator: "\n")[0]) ?? 0
        #expect(told >= before - 1 && told <= Int(time(nil)) + 1)
        let slept = try await run("a=$(date +%s); sleep 2; b=$(date +%s); echo $((b - a))", in: guest)
        // A busy host makes it longer, never shorter.
        #expect((2...8).contains(Int(slept.prefix { $0.isNumber }) ?? 0), "\(slept)")

        // Memory and devices are what the machine has.
        let memory = Int(
            try await run("awk '/MemTotal/ { print $2 }' /proc/meminfo", in: guest).split(separator: "\n")[0])
        #expect(try #require(memory) > 100_000 && memory ?? 0 <= 131_072)
        #expect(try await run("nproc", in: guest) == "1\n")
        #expect(try await run("cat /proc/interrupts", in: guest).contains("ttyS0"))

        // What is sent at once arrives whole.
        let lines = (0..<100).map { "line \($0) \(String(repeating: "x", count: 60))" }
        try guest.send("cat > /tmp/pasted\n")
        try await guest.expect("pasted\r\n")
        try await Task.sleep(for: .seconds(2))
        try guest.send(lines.joined(separator: "\n") + "\n\u{4}")
        try await guest.expect(lines[99] + "\r\n")
        try await guest.expect(Self.prompt)
        #expect(
            try await run("wc -l < /tmp/pasted; sort -u /tmp/pasted | wc -l; tail -n 1 /tmp/pasted", in: guest)
                == "100\n100\n\(lines[99])\n")

        // A pause is nothing to the guest.
        try guest.send("echo before; sleep 1; echo after''wards\n")
        try await guest.expect("before\r\n")
        try await guest.machine.pause()
        try await Task.sleep(for: .seconds(1))
        try await guest.machine.resume()
        try await guest.expect("afterwards\r\n")
        try await guest.expect(Self.prompt)

        try guest.send("poweroff\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
    }

    /// A large file at a page of the RAM disk has that memory for its own, and is a file like others.
    @Test func aFileTakesItsPagesOfTheRamdisk() async throws {
        let blocks = 4
        let content = (0..<blocks).map { String(repeating: "0", count: 65534) + "\($0)\n" }.joined() + "end\n"
        let size = try Data(contentsOf: URL(filePath: "\(#require(DefaultGuest.folder))/initramfs.cpio")).count
        let folder = Folder()
        let ramdisk = folder.file("ramdisk", Cpio.archive("large", Array(content.utf8), atPageFrom: size))
        let guest = try await LinuxSession.boot(ramdisk: FilePath(ramdisk))

        let isWhole = "(\(LinuxSession.numbers(blocks: blocks)); echo end) | cmp - /large && echo whole"
        #expect(try await run(isWhole, in: guest) == "whole\n")
        // Neither its pages nor busybox's went back: they would be more than two MiB.
        let freed = try await run("dmesg | awk '/Freeing initrd/ { sum += $NF } END { print sum }'", in: guest)
        #expect((1...200).contains(Int(freed.dropLast()) ?? 0), "\(freed)")
        #expect(try await run("du -k /large", in: guest) == "260\t/large\n")

        #expect(try await run("echo 3 > /proc/sys/vm/drop_caches; \(isWhole)", in: guest) == "whole\n")
        #expect(
            try await run(
                "echo more >> /large; echo START | dd of=/large conv=notrunc 2> /dev/null; head -c 5 /large; tail -n 2 /large",
                in: guest)
                == "STARTend\nmore\n")
        let shared = "awk '/^Shmem:/ { print $2 }' /proc/meminfo"
        let counts = try await run("\(shared); rm /large; \(shared)", in: guest).split(separator: "\n").compactMap {
            Int($0)
        }
        try #require(counts.count == 2)
        // What starts behind the shell may write a page or two meanwhile.
        #expect((240...260).contains(counts[0] - counts[1]), "\(counts)")
        // Whoever has the pages next finds nothing wrong with them.
        #expect(
            try await run("head -c 2000000 /dev/zero > /tmp/z; rm /tmp/z; dmesg | grep -c -E 'Bad|BUG:'", in: guest)
                == "0\n")
        try await guest.machine.stop()
    }

    @Test func aPanicIsACrash() async throws {
        // Without an init and without a root file system.
        let guest = try TestMachine(try DefaultGuest.loader("rdinit=/nonexistent")) { $0.restartsOnReset = true }
        try await guest.machine.start()
        #expect(try await guest.machine.waitUntilStopped() == .guestCrashed(.panic))
        #expect(guest.output.contains("Kernel panic"))
    }

    @Test func aRebootStartsAgain() async throws {
        let guest = try await boot { $0.restartsOnReset = true }
        try guest.send("touch /tmp/mark; reboot\n")
        try await guest.expect("reboot: Restarting system")
        try await guest.expect(Self.prompt)
        #expect(try await run("ls /tmp | wc -l", in: guest) == "0\n")
        try await guest.machine.stop()
    }

    @Test func thePowerButtonShutsTheGuestDown() async throws {
        let guest = try await boot()
        #expect(guest.machine.canRequestStop)
        try guest.machine.requestStop()
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
    }

    @Test func twoProcessorsWork() async throws {
        let guest = try await boot { $0.cpuCount = 2 }
        #expect(try await run("nproc", in: guest) == "2\n")
        #expect(try await run("grep -c '^cpu cores.*: 2' /proc/cpuinfo", in: guest) == "2\n")
        // Two at once, on both.
        let sum = "head -c 300000 /dev/zero | md5sum"
        let answer = try await run("(\(sum)) & \(sum); wait", in: guest)
        #expect(answer.split(separator: "\n").count { $0.hasPrefix("4a21de7a58fb8ecb9a1b1f08a3068269") } == 2)
        let counts = try await run("grep LOC /proc/interrupts", in: guest).split(separator: " ")
        #expect(counts.count > 3 && counts[1] != "0" && counts[2] != "0", "\(counts)")
        try guest.send("poweroff\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
    }

    /// The hardware told by command line and MP table, with two processors.
    @Test func theEndOfTheShellIsTheEnd() async throws {
        let guest = try await boot {
            $0.hardwareDescription = .commandLine
            $0.cpuCount = 2
            $0.storageDevices = [.init(attachment: ScratchStorageDeviceAttachment(size: 1 << 20))]
        }
        #expect(try await run("cat /sys/block/vda/size; nproc", in: guest) == "2048\n2\n")
        try guest.send("exit\n")
        #expect(try await guest.machine.waitUntilStopped() == .guestPoweredOff)
    }
}
