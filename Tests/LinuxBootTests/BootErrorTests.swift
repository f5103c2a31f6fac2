import GuestMemory
import Testing

@testable import LinuxBoot

@Suite struct BootErrorTests {
    /// Files that people take for a kernel.
    @Test(
        arguments: [
            ([0x1f, 0x8b, 8, 0], "a gzip file: unpack it first"),
            ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0], "an xz file: unpack it first"),
            (Array("#!/bin/sh\n".utf8), "a script"),
            (Array("console=ttyS0\n".utf8), "a text file"),
            (Array("MZ".utf8) + [0x90, 0, 3], "an EFI or Windows program"),
            ([UInt8](repeating: 0x90, count: 0x38) + Array("ARM".utf8) + [0x64], "a kernel for ARM64"),
            (Array("MZ".utf8) + [UInt8](repeating: 0, count: 0x36) + Array("ARM".utf8) + [0x64], "a kernel for ARM64"),
            (Array("070701000".utf8), "a cpio archive: is it the initial ramdisk?"),
            ([UInt8](repeating: 1, count: 510) + [0x55, 0xaa], "a disk image or boot sector"),
            ([UInt8](repeating: 0, count: 9000), "it begins with zeros"),
            ([0x80, 0x81], "its format is unknown"),
        ] as [([UInt8], String)])
    func otherFilesAreNamed(_ bytes: [UInt8], _ guess: String) throws {
        #expect(try problem(ByteArrayBootImage(bytes, name: "k")) == .notAKernel(guess: guess))
    }

    @Test func emptyFile() throws {
        #expect(try problem(ByteArrayBootImage([], name: "k")) == .empty)
    }

    @Test(
        arguments: [
            (183, "ARM64"), (243, "RISC-V"), (40, "32-bit ARM"), (3, "32-bit x86 in a 64-bit file"),
            (999, "another processor (ELF machine 999)"),
        ] as [(UInt16, String)])
    func foreignArchitectures(_ machine: UInt16, _ name: String) throws {
        var elf = ELFKernelTests.kernel()
        elf.machine = machine
        #expect(try problem(elf.image()) == .foreignArchitecture(name))
        var bytes = elf.bytes
        bytes[5] = 2
        #expect(try problem(ByteArrayBootImage(bytes, name: "k")) == .foreignArchitecture("a big-endian processor"))
    }

    @Test(
        arguments: [
            (1, .notAKernelELF("an object file or kernel module")),
            (3, .notAKernelELF("a shared library or position-independent program")), (4, .notAKernelELF("a core dump")),
            (9, .invalidField(name: "e_type", value: 9, expected: "2 (executable)")),
        ] as [(UInt16, BootError.Problem)])
    func otherELFFiles(_ type: UInt16, _ expected: BootError.Problem) throws {
        var elf = ELFKernelTests.kernel()
        elf.type = type
        #expect(try problem(elf.image()) == expected)
    }

    @Test func programsAreNotKernels() throws {
        var elf = ELFKernelTests.kernel()
        elf.segments.append(.init(type: 3, contents: Array("/lib64/ld.so\0".utf8), physical: 0))
        #expect(try problem(elf.image()) == .notAKernelELF("a dynamically linked program"))
        elf.segments = [.init(type: 0x6474_e551, contents: [], physical: 0)]
        #expect(try problem(elf.image()) == .notAKernelELF("one with nothing to load"))
    }

    @Test func badELFFields() throws {
        let bytes = ELFKernelTests.kernel().bytes
        func with<Value: FixedWidthInteger & UnsignedInteger>(
            _ value: Value, at offset: Int
        ) throws -> BootError.Problem? {
            var changed = bytes
            changed.set(value, at: offset)
            return try problem(ByteArrayBootImage(changed, name: "k"))
        }
        #expect(try with(UInt8(3), at: 4) == .invalidField(name: "EI_CLASS", value: 3, expected: "1 or 2"))
        #expect(try with(UInt16(0), at: 56) == .invalidField(name: "e_phnum", value: 0, expected: "1 or more"))
        #expect(try with(UInt16(57), at: 54) == .invalidField(name: "e_phentsize", value: 57, expected: "56"))
        #expect(try with(UInt64.max, at: 32) == .truncated(part: "the program headers", missing: 112))
        // The first segment: p_offset, p_paddr, p_filesz.
        #expect(try with(UInt64.max, at: 64 + 8) == .truncated(part: "the kernel", missing: 3000))
        #expect(
            try with(UInt64.max, at: 64 + 24)
                == .invalidField(name: "p_paddr", value: .max, expected: "an address with room for 3000 bytes"))
        #expect(
            try with(UInt64(3001), at: 64 + 32)
                == .invalidField(name: "p_filesz", value: 3001, expected: "at most p_memsz (3000)"))
        let cut = ByteArrayBootImage(Array(bytes.dropLast(40)), name: "k")
        #expect(try problem(cut) == .truncated(part: "the kernel", missing: 40))
        for count in [4, 15, 16, 63, 64, 100] {
            guard case .truncated = try problem(ByteArrayBootImage(Array(bytes.prefix(count)), name: "k")) else {
                Issue.record("\(count) bytes were accepted")
                return
            }
        }
    }

    @Test func wrongPlaces() throws {
        func placed(_ address: UInt64, _ size: UInt64) throws -> BootError.Problem? {
            var elf = ELFBuilder(entry: address)
            elf.add([1, 2, 3], at: address, memorySize: size)
            return try problem(elf.image())
        }
        let reserved = BootLayout.structures
        #expect(
            try placed(0x2_f000, 0x1001)
                == .overlapsReserved(MemoryRange(0x2_f000, upTo: 0x3_0001), reserved: reserved))
        #expect(try placed(0x3_0000, 0x4_e000) == nil)
        #expect(
            try placed(0x7_0000, 0xe001)
                == .overlapsReserved(MemoryRange(0x7_0000, upTo: 0x7_e001), reserved: BootLayout.legacyHole))
        #expect(try placed(0x10_0000, 15 << 20) == nil)
        #expect(try placed(0x10_0000, 15 << 20 + 1) == .kernelTooLarge(end: 16 << 20 + 1, memory: 16 << 20))
        #expect(
            try placed(0xc000_0000 - 4096, 4097)
                == .aboveLowMemory(MemoryRange(0xbfff_f000, upTo: 0xc000_0001)))
        var elf = ELFKernelTests.kernel()
        elf.add([1], at: 0x40_2327)
        #expect(
            try problem(elf.image())
                == .segmentsOverlap(
                    MemoryRange(0x40_0000, upTo: 0x40_2328), MemoryRange(0x40_2327, upTo: 0x40_2328)))
        elf = ELFKernelTests.kernel()
        elf.entry = 0x20_0bb8
        #expect(try problem(elf.image()) == .entryOutsideKernel(0x20_0bb8))
    }

    @Test func smallMachines() throws {
        #expect(
            try problem(ELFKernelTests.kernel().image(), memory: 512 << 10)
                == .machineTooSmall(memory: 512 << 10, minimum: 1 << 20))
        #expect(
            try problem(ELFKernelTests.kernel().image(), memory: 1 << 20)
                == .kernelTooLarge(end: 0x40_2328, memory: 1 << 20))
    }

    /// One line each, with the numbers and what to do.
    @Test(
        arguments: [
            (.cannotRead(errno: 21), "k: cannot be read: Is a directory"),
            (
                .kernelTooLarge(end: 0x1e1_6000, memory: 1 << 20),
                "k: needs guest memory up to 30.1 MiB, the machine has 1 MiB; give it at least 31 MiB"
            ),
            (
                .ramdiskTooLarge(size: 5 << 20, free: 3 << 20, memory: 64 << 20),
                "k: too large for the machine: 5 MiB where 3 MiB are free beside the kernel; give it at least 64 MiB"
            ),
            (
                .truncated(part: "the kernel", missing: 7),
                "k: the file is cut short: 7 bytes of the kernel are missing; copy or build it again"
            ),
            (
                .bootProtocolTooOld(0x0204),
                "k: its boot protocol is 2.4, older than 2.8 (Linux 2.6.26); use a newer kernel, or this one's vmlinux"
            ),
            (
                .notAKernel(guess: "a text file"),
                "k: not a kernel for this machine (a text file); expected an x86 ELF vmlinux, a bzImage, "
                    + "or a PVH or multiboot kernel"
            ),
        ] as [(BootError.Problem, String)])
    func messages(_ problem: BootError.Problem, _ text: String) {
        #expect(BootError("k", problem).description == text)
    }

    @Test func sizesForPeople() {
        #expect(
            [0, 1023, 1024, 1536, 1 << 20, 3 << 30, 1 << 30 + 1].map(byteCount)
                == ["0 bytes", "1023 bytes", "1 KiB", "1.5 KiB", "1 MiB", "3 GiB", "1.1 GiB"])
    }
}
