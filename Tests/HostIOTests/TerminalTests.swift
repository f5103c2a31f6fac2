import CLinux
import Glibc
import HostIO
import TestSupport
import Testing

/// Raw mode, and every way out of it. A process holds one raw terminal, so each test runs in a process of its own.
@Suite struct TerminalTests {
    /// Runs in a process of its own: enters raw mode on the terminal at `path`.
    private static func enterRaw(_ path: String) throws -> Terminal {
        let descriptor = open(path, O_RDWR | O_NOCTTY)
        let terminal = try Terminal(raw: descriptor)
        precondition(TestTerminal.isRaw(descriptor) && Terminal.isRaw)
        return terminal
    }

    @Test func `raw mode ends with its value`() async {
        let terminal = TestTerminal()
        let (before, path) = (terminal.modes, terminal.path)
        await #expect(processExitsWith: .success) { [path = path as String] in
            let descriptor = open(path, O_RDWR | O_NOCTTY)
            let modes = TestTerminal.modes(of: descriptor)
            let before = try settledResources()
            for _ in 0..<3 {
                let terminal = try Self.enterRaw(path)
                do throws(HostError) {
                    _ = try Terminal(raw: descriptor)
                    fatalError("two terminals were raw at once")
                } catch {
                    precondition(error.errno.rawValue == EBUSY)
                }
                precondition(TestTerminal.isRaw(descriptor))
                _ = consume terminal
                precondition(!Terminal.isRaw && TestTerminal.modes(of: descriptor) == modes)
            }
            precondition(resources()[0] == before[0] + 3)  // those that enterRaw opened
        }
        #expect(terminal.modes == before)
    }

    @Test func `raw mode ends with the process`() async {
        let terminal = TestTerminal()
        let (before, path) = (terminal.modes, terminal.path)
        await #expect(processExitsWith: .exitCode(7)) { [path = path as String] in
            let terminal = try Self.enterRaw(path)
            withExtendedLifetime(terminal) { if Terminal.isRaw { exit(7) } }
        }
        #expect(terminal.modes == before)
    }

    /// The handlers of raw mode come last here, on top of those that catch a guest's faulting instruction.
    @Test func `an instruction of a guest's that faults is no crash`() async {
        let terminal = TestTerminal()
        await #expect(processExitsWith: .success) { [path = terminal.path as String] in
            var created: OpaquePointer?
            // Elsewhere than on x86-64 no instruction is ever run on the host.
            guard caisson_native_create(&created) == 0, let engine = created else { return }
            precondition(caisson_native_begin(engine) == 0)
            let descriptor = open(path, O_RDWR | O_NOCTTY)
            precondition(caisson_terminal_enter_raw(descriptor) == 0)
            var fault = caisson_native_fault()
            let undefined: [UInt8] = [0x0f, 0x0b]
            for _ in 0..<3 {
                precondition(caisson_native_execute(engine, undefined, 2, 0, &fault) == 1)
                precondition(fault.vector == 6 && Terminal.isRaw)
            }
            caisson_native_end(engine)
            caisson_native_destroy(engine)
            precondition(caisson_terminal_leave_raw() == 0)
        }
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS])
    func `raw mode ends with a signal, which stays the cause of death`(signal: Int32) async {
        let terminal = TestTerminal()
        let (before, path) = (terminal.modes, terminal.path)
        await #expect(processExitsWith: .signal(signal)) { [path = path as String, signal = signal as Int32] in
            var limit = rlimit(rlim_cur: 0, rlim_max: 0)
            setrlimit(__rlimit_resource_t(4), &limit)  // no core dumps
            let terminal = try Self.enterRaw(path)
            withExtendedLifetime(terminal) {
                kill(getpid(), signal)
                sleep(10)
            }
        }
        #expect(terminal.modes == before)
    }

    @Test func `raw mode ends with a crash`() async {
        let terminal = TestTerminal()
        let (before, path) = (terminal.modes, terminal.path)
        await #expect(processExitsWith: .failure) { [path = path as String] in
            var limit = rlimit(rlim_cur: 0, rlim_max: 0)
            setrlimit(__rlimit_resource_t(4), &limit)
            let terminal = try Self.enterRaw(path)
            withExtendedLifetime(terminal) { precondition(!Terminal.isRaw, "a bug") }
        }
        #expect(terminal.modes == before)
    }

    @Test func `a signal that is ignored or handled stays so`() async {
        let terminal = TestTerminal()
        let path = terminal.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            signal(SIGHUP, SIG_IGN)
            signal(SIGTERM) { _ in }
            let descriptor = open(path, O_RDWR | O_NOCTTY)
            let terminal = try Self.enterRaw(path)
            kill(getpid(), SIGHUP)
            kill(getpid(), SIGTERM)
            usleep(10_000)
            precondition(TestTerminal.isRaw(descriptor))
            withExtendedLifetime(terminal) {}
        }
    }

    @Test func `a stopped process leaves the terminal to the shell and takes it back`() async {
        let terminal = TestTerminal()
        let path = terminal.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            let directory = TemporaryDirectory()
            let report = directory.path + "/report"
            // While this process is stopped, a shell looks at the terminal and then lets it go on.
            let script = """
                while ! grep -q '^State:.*T' /proc/\(getpid())/status; do sleep 0.01; done
                stty -a -F \(path) > \(report).new; mv \(report).new \(report)
                kill -CONT \(getpid())
                """
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(script), nil]
            var shell: pid_t = 0
            precondition(posix_spawn(&shell, "/bin/sh", nil, nil, &arguments, environ) == 0)
            // A process group whose leader's parent is in the same session can be stopped.
            setpgid(0, 0)
            let descriptor = open(path, O_RDWR | O_NOCTTY)
            let raw = try Self.enterRaw(path)
            kill(getpid(), SIGTSTP)
            var status: Int32 = 0
            while waitpid(shell, &status, 0) != shell {}
            let seen = Descriptor.opening(report, O_RDONLY).receiveText(4096)
            precondition(seen.contains(" icanon") && seen.contains(" echo "), seen)
            precondition(eventually { TestTerminal.isRaw(descriptor) && Terminal.isRaw })
            withExtendedLifetime(raw) {}
        }
        #expect(!terminal.isRaw)
    }

    @Test func `the window's size is told, and changes do no harm`() {
        let terminal = TestTerminal()
        #expect(Terminal.size(of: terminal.slave.raw).map { $0.columns == 0 && $0.rows == 0 } == true)
        let (read, _) = Descriptor.pipe()
        #expect(Terminal.size(of: read.raw) == nil)
    }
}
