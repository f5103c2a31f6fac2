import Benchmark
import CaissonOptions
import HostIO
import SystemPackage

/// QEMU's microvm, with the default guest's kernel, the same root file system as Caisson's machines have, and /bin/sh as its first process.
struct QEMUMachine: BenchEngine {
    let id = "qemu"
    let kind = BenchmarkReport.Engine.Kind.machine
    let program: (name: String, package: String)? = ("qemu-system-x86_64", "qemu-system-x86")

    func ways(in space: BenchSpace, _ limits: BenchLimits) throws(CommandError) -> [EngineWay] {
        let kernel = try DefaultGuest.locate().kernel.string
        let clock = Self.clockWord(cpuinfo: (try? HostFile.text(of: "/proc/cpuinfo")) ?? "")
        let emulation =
            "QEMU's KVM machine did not run here, so its own emulation (TCG) executes the guest, user programs as well"
        return [
            way("QEMU microvm (KVM)", ["-accel", "kvm", "-cpu", "host"], [], kernel, clock, limits),
            way("QEMU microvm (TCG)", ["-accel", "tcg", "-cpu", "max"], [emulation], kernel, clock, limits),
        ]
    }

    private func way(
        _ title: String, _ accelerator: [String], _ notes: [String], _ kernel: String, _ clock: String,
        _ limits: BenchLimits
    ) -> EngineWay {
        EngineWay(title: title, notes: notes) { task throws(HostError) in
            var words = ["qemu-system-x86_64", "-M", "microvm,rtc=off,x-option-roms=off,isa-serial=on"] + accelerator
            words += ["-m", "size=\(limits.memory >> 10)k", "-smp", "\(limits.processors.count)"]
            words += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
            words += ["-kernel", kernel, "-append", Self.commandLine(task.words, clock: clock)]
            // The store's lock of the image, which is only read, is not QEMU's.
            words += [
                "-drive",
                "id=root,file=\(task.root.image.replacing(",", with: ",,")),format=raw,if=none,readonly=on,file.locking=off",
            ]
            words += ["-device", "virtio-blk-device,drive=root"]
            // The command's output has a console of its own; the kernel's goes where messages go.
            words += ["-device", "virtio-serial-device", "-chardev", "stdio,id=output,signal=off"]
            words += ["-device", "virtconsole,chardev=output", "-serial", "file:/dev/stderr"]
            var invocation = Invocation(words)
            invocation.isConsole = true
            invocation.signOfFailure = "KVM internal error"
            return invocation
        }
    }

    /// What the guest's shell does before and behind the command. The kernel crashes when it ends, and QEMU ends with it.
    private static let script = """
        b=/bin/busybox; $b mount -t devtmpfs dev /dev; exec 2>/dev/ttyS0; $b mount -t proc proc /proc; \
        $b mount -t tmpfs tmpfs /tmp; $b ip link set lo up; \
        cd /; export \(BenchTask.environment.joined(separator: " ")); $b stty -opost </dev/hvc0; \
        "$@" </dev/null >/dev/hvc0; echo \(Invocation.statusMark)$? >/dev/hvc0
        """

    /// A word that tells the guest's kernel the frequency of its time-stamp counter, which is the host's: a microvm has nothing to find it out
    /// by. Linux computes its BogoMIPS, with two decimals, as twice the frequency in MHz.
    static func clockWord(cpuinfo text: String) -> String {
        for line in text.split(separator: "\n") where line.hasPrefix("bogomips") {
            let digits = line.filter { ("0"..."9").contains($0) }
            if let hundredths = UInt64(digits), hundredths > 0, hundredths < 1 << 32 {
                return "tsc_early_khz=\(hundredths * 5) "
            }
        }
        return ""
    }

    /// Words for the kernel, of which those behind -- are its first process's. Quotes hold a word with blanks together.
    static func commandLine(_ command: [String], clock: String) -> String {
        func quoted(_ word: String) -> String { word.contains(" ") ? "\"\(word)\"" : word }
        return
            (["console=ttyS0 quiet \(clock)reboot=t panic=-1 root=/dev/vda rootfstype=erofs ro init=/bin/sh -- -c"]
            + ([script, "sh"] + command).map(quoted)).joined(separator: " ")
    }
}
