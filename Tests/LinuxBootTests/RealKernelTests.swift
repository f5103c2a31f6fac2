import Glibc
import GuestMemory
import Testing

@testable import LinuxBoot

/// Kernels of this host, named in CAISSON_TEST_KERNELS and parted by colons.
@Suite struct RealKernelTests {
    static let paths: [String] = {
        guard let value = getenv("CAISSON_TEST_KERNELS") else { return [] }
        return String(cString: value).split(separator: ":").map(String.init)
    }()

    @Test(.enabled(if: !paths.isEmpty, "CAISSON_TEST_KERNELS names no kernels"), arguments: paths)
    func loads(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        let image = FileBootImage(descriptor: descriptor, size: UInt64(size), name: path)
        let memory = try GuestMemory(size: 512 << 20)
        var loader = BootLoader(kernel: image)
        loader.memoryIsZeroed = true
        for _ in 0..<3 {
            let clock = ContinuousClock()
            var guest: LoadedGuest?
            let time = try clock.measure { guest = try loader.load(into: memory) }
            let info = try #require(guest).info
            print("\(path): \(info), loaded in \(time)")
            #expect(info.bootProtocol == .linux64)
            #expect(info.kernelRange.contains(info.entry.rawValue))
        }
        loader.bootProtocol = .pvh
        let pvh = try loader.load(into: memory)
        #expect(pvh.state.mode == .protected32)
        #expect(pvh.info.kernelRange.contains(pvh.state.rip))
    }
}
