import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CaissonCLI
@testable import CaissonOptions

/// What cannot work, told in one line.
@Suite struct FailureTests {
    private func expect(_ child: Child, _ line: String, _ location: SourceLocation = #_sourceLocation) {
        #expect(child.status == 1, sourceLocation: location)
        #expect(child.output.isEmpty, sourceLocation: location)
        #expect(child.errors == "caisson: \(line)\n", sourceLocation: location)
    }

    @Test func `files that are none`() throws {
        let command = try Command()
        let kernel = command.folder.file("kernel")
        expect(command.run("run", "--kernel", "/no/such"), "kernel /no/such: no such file")
        expect(command.run("run", "--kernel", ""), "kernel : no such file")
        expect(command.run("run", "--kernel", "/etc"), "kernel /etc: is a directory; name a file in it")
        expect(
            command.run("run", "--kernel", "/dev/null"),
            "kernel /dev/null: is no regular file; copy what it gives into one")
        expect(command.run("run", "--kernel", kernel, "--initrd", "/no/such"), "initrd /no/such: no such file")
        expect(
            command.run("run", "--kernel", kernel, "--initrd", kernel, "--initrd", "/etc"),
            "initrd /etc: is a directory; name a file in it")
        expect(
            command.run("run", "--kernel", "\(kernel)/x"), "kernel \(kernel)/x: cannot be opened: Not a directory")
    }

    /// Only a shell can give such words.
    @Test func `words that are no text`() throws {
        let command = try Command()
        let child = Child.run(
            "/bin/sh", ["-c", #"exec "$0" run --name x -- echo "$(printf 'a\377')""#, command.program],
            environment: command.environment)
        #expect(child.status == 2)
        #expect(child.output.isEmpty)
        #expect(
            child.errors
                == "caisson: argument 6 is no UTF-8 text: 'a\u{FFFD}'; to give a command such bytes, have the guest's "
                + "shell write them, or put them in a file\n")
        // What stands in for such bytes is text itself.
        expect(command.run("run", "--kernel", "/no/\u{FFFD}"), "kernel /no/\u{FFFD}: no such file")
    }

    @Test func `what keeps a command from running has a status of its own`() throws {
        var command = try Command()
        let (kernel, zeroes) = (command.folder.file("kernel"), command.folder.file("zeroes", [0, 0]))
        let guest = command.folder.folder("guest")
        command.environment["CAISSON_GUEST"] = guest
        let cases = [
            ("/no/such", "the root file system /no/such: no such file"),
            (
                guest,
                "the root file system \(guest) is a directory: `caisson image import NAME \(guest)` makes an image of it"
            ),
            (
                zeroes,
                "the root file system \(zeroes) is neither erofs, squashfs nor ext4: say its type by ,fs=TYPE"
            ),
            ("\(zeroes),fs=erofs", "the guest's agent \(guest)/agent.cpio: no such file"),
        ]
        for (root, line) in cases {
            let child = command.run("run", "--kernel", kernel, "--root", root, "--", "true")
            #expect(child.status == 125)
            #expect(child.output.isEmpty)
            #expect(child.errors == "caisson: \(line)\n")
        }
    }

    @Test func `the type of a file system is told by its magic number`() {
        var bytes = [UInt8](repeating: 0, count: 2048)
        #expect(RootSpecification.type(of: bytes) == nil)
        bytes.replaceSubrange(1080..<1082, with: [0x53, 0xef])
        #expect(RootSpecification.type(of: bytes) == "ext4")
        #expect(RootSpecification.type(of: Array(bytes[..<1081])) == nil)
        bytes.replaceSubrange(1024..<1028, with: [0xe2, 0xe1, 0xf5, 0xe0])
        #expect(RootSpecification.type(of: bytes) == "erofs")
        bytes.replaceSubrange(0..<4, with: Array("hsqs".utf8))
        #expect(RootSpecification.type(of: bytes) == "squashfs")
        #expect(RootSpecification.type(of: Array("hsqs".utf8)) == "squashfs")
        #expect(RootSpecification.type(of: []) == nil)
    }

    @Test func `a pipe is not waited for`() throws {
        let command = try Command()
        let pipe = "\(command.folder.path)/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        expect(command.run("run", "--kernel", pipe), "kernel \(pipe): is no regular file; copy what it gives into one")
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything")) func `a file that one may not read`() throws {
        let command = try Command()
        let kernel = command.folder.file("kernel", mode: 0)
        expect(command.run("run", "--kernel", kernel), "kernel \(kernel): \(GuestFiles.problem(.permissionDenied))")
    }

    @Test func `a permission has advice`() {
        #expect(
            GuestFiles.problem(.permissionDenied)
                == "permission denied; make it readable (sudo chmod a+r), or copy it to where you may read it")
    }

    @Test func `no default guest`() throws {
        var command = try Command()
        command.moveProgram("caisson-cli", to: "usr/bin")
        let home = command.folder.path
        expect(
            command.run("run"),
            "there is no default guest in \(home)/usr/share/caisson/guest nor in \(home)/.cache/caisson/guest/default: "
                + "build it by guest-images/build, or give --kernel")
        command.environment["CAISSON_GUEST"] = "/no/guest"
        expect(command.run("run"), "the default guest's kernel /no/guest/vmlinux: no such file")
        command.environment["CAISSON_GUEST"] = command.folder.folder("guest")
        command.folder.file("guest/vmlinux")
        expect(command.run("run"), "the default guest's initramfs \(home)/guest/initramfs.cpio: no such file")
    }

    @Test func `no program for the machine`() throws {
        var command = try Command(machineProgram: nil)
        command.moveProgram("caisson-cli", to: "bin")
        let kernel = command.folder.file("kernel")
        let place = "\(command.folder.path)/bin/caisson"
        let advice = "it belongs beside caisson-cli; scripts/build makes both, and CAISSON_VMM names another"
        expect(
            command.run("run", "--kernel", kernel), "cannot start \(place): No such file or directory; \(advice)")
        command.folder.file("bin/caisson", "#!/bin/sh\n", mode: 0o644)
        expect(command.run("run", "--kernel", kernel), "cannot start \(place): Permission denied; \(advice)")
        command.environment["CAISSON_VMM"] = "/no/such"
        expect(
            command.run("run", "--kernel", kernel),
            "cannot start /no/such: No such file or directory; CAISSON_VMM names it")
    }

    @Test func `no program for all that is no machine`() throws {
        var command = try Command(machineProgram: nil)
        command.moveProgram("caisson", to: "bin")
        let place = "\(command.folder.path)/bin/caisson-cli"
        expect(
            command.run("--version"),
            "cannot start \(place): No such file or directory; it belongs beside caisson, and scripts/build makes both")
    }

    @Test func `words that no process can be given`() throws {
        let command = try Command()
        let kernel = command.folder.file("kernel")
        let words = (0..<3).flatMap { _ in ["--append", String(repeating: "x", count: 100_000)] }
        let child = Child.run(
            command.program, ["run", "--kernel", kernel] + words, environment: command.environment)
        expect(
            child,
            "cannot start \(command.folder.path)/vmm: the words for the kernel or the command are too long for a process's arguments"
        )
    }

    @Test func `options are checked before files`() throws {
        let child = try Command().run("run", "--kernel", "/no/such", "--console", "fax")
        #expect(child.status == 2)
    }
}
