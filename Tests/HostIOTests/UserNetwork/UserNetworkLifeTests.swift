import CLinux
import Glibc
import TestSupport
import Testing

@testable import HostIO

/// When the helper ends, and what it keeps while it runs.
@Suite(.timeLimit(.minutes(5))) struct UserNetworkLifeTests {
    /// Whether a process runs; one that nobody has reaped does not.
    private static func runs(_ process: pid_t) -> Bool {
        guard let stat = try? HostFile.text(of: "/proc/\(process)/stat"), let end = stat.lastIndex(of: ")") else {
            return false
        }
        return stat[end...].dropFirst(2).first != "Z"
    }

    @Test func theEndOfTheStreamEndsTheHelper() throws {
        let guest = try FakeGuest()
        let process = try #require(guest.network.processID)
        #expect(Self.runs(process))
        guest.hangUp()
        #expect(eventually { guest.errors == [.ended(status: 0)] })
        // Reaped: no such process.
        #expect(kill(process, 0) == -1 && errno == ESRCH)
    }

    @Test func aHelperThatDiesIsToldOnce() throws {
        let guest = try FakeGuest()
        let process = try #require(guest.network.processID)
        kill(process, SIGKILL)
        #expect(eventually { guest.errors == [.ended(status: 137)] })
        #expect(guest.receive() == nil)
        #expect(kill(process, 0) == -1 && errno == ESRCH)
        let line = guest.errors.first?.description ?? ""
        #expect(line.contains("signal 9") && !line.contains("\n"))
        // A driver that starts again gets a new one.
        try guest.activate()
        #expect(guest.resolve(.host) != nil)
        guest.network.stop()
        usleep(50_000)
        #expect(guest.errors.count == 1)
    }

    @Test func nothingIsLeft() async {
        await #expect(processExitsWith: .success) {
            let before = try settledResources(threads: "test-network")
            for _ in 0..<3 {
                let guest = try FakeGuest()
                precondition(guest.resolve(.host) != nil)
                guest.network.stop()
                precondition(guest.errors.isEmpty)
            }
            let network = UserNetwork(UserNetworkSpecification())
            try network.open()
            network.stop()
            precondition(resources(threads: "test-network") == before, "\(resources()) \(before)")
            // No child is left, not even a dead one.
            precondition(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD)
        }
    }

    @Test(arguments: [SIGKILL, SIGABRT])
    func theHelperEndsWithItsMachine(signal number: Int32) async throws {
        let result = await #expect(
            processExitsWith: .signal(number), observing: [\.standardOutputContent]
        ) { [number] in
            let guest = try FakeGuest()
            precondition(guest.resolve(.host) != nil)
            print("helper \(guest.network.processID ?? 0);")
            fflush(nil)
            kill(getpid(), number)
            // Another thread may get it first.
            sleep(60)
            _ = guest
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        let words = try #require(output.split(separator: "helper ").last?.split(separator: ";").first)
        let process = try #require(pid_t(String(words)))
        #expect(process > 1)
        #expect(eventually { !Self.runs(process) })
    }

    @Test func theHelperIsConfined() throws {
        let guest = try FakeGuest()
        let process = try #require(guest.network.processID)
        let status = try HostFile.text(of: "/proc/\(process)/status")
        #expect(status.contains("NoNewPrivs:\t1\n"))
        #expect(status.contains("Seccomp:\t2\n"))
        #expect(!status.contains("Uid:\t0\t"))
        #expect(status.contains("CapEff:\t0000000000000000\n"))
        let limits = try HostFile.text(of: "/proc/\(process)/limits")
        #expect(limits.contains("Max core file size        0                    0 "))
        // What it was started with, and libslirp's own.
        #expect((4...6).contains(names(in: "/proc/\(process)/fd").count) || geteuid() != 0)
        #expect(try HostFile.text(of: "/proc/\(process)/environ").isEmpty)
    }

    static let programs = ["/nonexistent/helper", "/dev/null", "/bin/true", "/bin/echo"]

    @Test(arguments: programs) func whatIsNoHelperIsNamed(program: String) {
        let network = UserNetwork(UserNetworkSpecification(), program: program)
        let error = #expect(throws: UserNetworkError.self) { try network.open() }
        #expect(error?.description.contains(program) == true)
        #expect(error?.description.contains("\n") == false)
        #expect(network.isAvailable == (program != "/nonexistent/helper"))
    }
}
