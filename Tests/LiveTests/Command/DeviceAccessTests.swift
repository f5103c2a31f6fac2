import Glibc
import TestSupport
import Testing

/// The built command where it may not have /dev/kvm, or where there is none: in a mount namespace of its own.
@Suite(.needsNamespaces, .timeLimit(.minutes(2)))
struct DeviceAccessTests {
    /// Copies of the programs and a kernel, in a folder that is /mnt in the namespace, where every user may reach it.
    private func run(_ script: String, _ arguments: String...) throws -> Child {
        let folder = Folder()
        folder.file("kernel", TestKernel.multiboot(GuestCode.powerOff), mode: 0o644)
        let command = try BuiltCommand.path()
        #expect(Child.run("/bin/cp", [command, "\(command)-cli", "\(command)-slirp", folder.path]).status == 0)
        let prepare = "set -e; chmod 755 \"$1\"; mount --bind \"$1\" /mnt; cd /; \(script); shift; exec $run \"$@\""
        return Child.run(
            "/usr/bin/unshare", ["--mount", "/bin/sh", "-c", prepare, "sh", folder.path, "/mnt/caisson"] + arguments,
            environment: ["HOME": "/", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SWIFT_BACKTRACE": "enable=no"])
    }

    private static let asNobody = """
        cp -a /dev/kvm "$1/node"; chmod 600 "$1/node"; mount --bind "$1/node" /dev/kvm
        run='setpriv --reuid=65534 --regid=65534 --clear-groups'
        """
    private static let withoutDevice = "mount -t tmpfs none /dev"

    @Test(.needsKVM) func withPermission() throws {
        let child = try run("run=", "run", "--kernel", "/mnt/kernel")
        #expect(child.status == 0)
        #expect(child.errors == "")
    }

    @Test(.needsKVM) func withoutPermission() throws {
        let child = try run(Self.asNobody, "run", "--kernel", "/mnt/kernel")
        #expect(child.status == 1)
        #expect(child.output == "")
        #expect(
            child.errors
                == "caisson: no permission to open /dev/kvm: join its group (sudo usermod -aG kvm $USER) and log in again\n"
        )
    }

    @Test(.needsKVM) func theDoctorKnowsOfPermissions() throws {
        let child = try run(Self.asNobody, "doctor")
        #expect(child.status == 1)
        #expect(child.output.contains("no permission to open /dev/kvm"), "\(child.output)")
        #expect(child.output.contains("-> sudo "), "\(child.output)")
    }

    @Test func withoutTheDevice() throws {
        let child = try run(Self.withoutDevice, "run", "--kernel", "/mnt/kernel")
        #expect(child.status == 1)
        #expect(child.output == "")
        #expect(
            child.errors.hasPrefix("caisson: /dev/kvm does not exist: load KVM (modprobe "), "\(child.errors)")
        #expect(child.errors.split(separator: "\n").count == 1)
    }

    @Test func theDoctorKnowsOfTheDevice() throws {
        let child = try run(Self.withoutDevice, "doctor")
        #expect(child.status == 1)
        #expect(child.output.contains("/dev/kvm does not exist"), "\(child.output)")
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, aloud, where this process cannot make a mount namespace.
    static var needsNamespaces: Self {
        .enabled(
            if: geteuid() == 0 && Child.run("/usr/bin/unshare", ["--mount", "/bin/true"]).status == 0,
            "needs root, and permission to make mount namespaces")
    }
}
