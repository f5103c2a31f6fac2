import CLinux
import GuestMemory

/// Why a guest could not be made ready to start: one line that names the file, what is wrong, and what to do.
package struct BootError: Error, Equatable {
    /// The image at fault, as its `BootImage.name` says it; nil where the machine itself is.
    package let image: String?
    package let problem: Problem

    package init(_ image: String?, _ problem: Problem) {
        self.image = image
        self.problem = problem
    }
}

extension BootError {
    package enum Problem: Equatable, Sendable {
        /// `pread`'s errno.
        case cannotRead(errno: Int32)
        /// The file has no bytes.
        case empty
        /// `part` goes on for `missing` bytes past the end of the file.
        case truncated(part: String, missing: UInt64)
        /// Nothing in the file marks it as a kernel; `guess` says what it looks like.
        case notAKernel(guess: String)
        /// An ELF file for another processor.
        case foreignArchitecture(String)
        /// An ELF file that is not a linked kernel: an object file, a shared library, a program.
        case notAKernelELF(String)
        /// A field of the file's own headers has a value that the format does not allow.
        case invalidField(name: String, value: UInt64, expected: String)
        /// Two parts of the kernel claim the same memory.
        case segmentsOverlap(MemoryRange, MemoryRange)
        /// The kernel wants memory that holds the start-up structures or the firmware's tables.
        case overlapsReserved(MemoryRange, reserved: MemoryRange)
        /// The kernel wants memory that the machine has not got.
        case kernelTooLarge(end: UInt64, memory: UInt64)
        /// The kernel wants memory at or above the MMIO hole at 3 GiB, whatever the machine's size.
        case aboveLowMemory(MemoryRange)
        /// The entry point is in no part of the kernel.
        case entryOutsideKernel(UInt64)
        /// The file cannot be started the way that was asked for.
        case cannotBootBy(BootProtocol, reason: String)
        /// A bzImage from before boot protocol 2.08; the version's high byte is the major number.
        case bootProtocolTooOld(UInt16)
        /// A bzImage's payload is packed by something that is not unpacked here.
        case unsupportedCompression(String)
        /// A bzImage's payload does not unpack.
        case corruptPayload(compression: String, reason: String)
        /// A bzImage's payload is, or would unpack to, more than `limit` bytes.
        case payloadTooLarge(size: UInt64, limit: UInt64)
        /// The initial ramdisk does not fit between the kernel and `limit`. `memory`: a machine size that would do, or nil.
        case ramdiskTooLarge(size: UInt64, free: UInt64, memory: UInt64?)
        /// Bytes, without the NUL that ends them.
        case commandLineTooLong(length: Int, limit: Int)
        /// The command line has a NUL byte, where it would end for the guest.
        case commandLineHasNUL
        /// The machine's memory is too small for the start-up structures.
        case machineTooSmall(memory: UInt64, minimum: UInt64)
        /// No description of the hardware can tell of that many processors.
        case tooManyProcessors(Int, limit: Int)
        /// A table for the guest does not fit its place. `what` names it.
        case tableTooLarge(what: String, size: UInt64, limit: UInt64)
        /// The device tree does not fit into `limit` bytes.
        case deviceTreeTooLarge(limit: UInt64)
    }
}

extension BootError: CustomStringConvertible {
    package var description: String {
        guard let image else { return problem.description }
        return "\(image): \(problem)"
    }
}

extension BootError.Problem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cannotRead(let errno):
            return "cannot be read: \(systemMessage(errno))"
        case .empty:
            return "the file is empty"
        case .truncated(let part, let missing):
            return "the file is cut short: \(missing) bytes of \(part) are missing; copy or build it again"
        case .notAKernel(let guess):
            return "not a kernel for this machine (\(guess)); expected an x86 ELF vmlinux, a bzImage, "
                + "or a PVH or multiboot kernel"
        case .foreignArchitecture(let name):
            return "a kernel for \(name); this machine needs one for x86-64"
        case .notAKernelELF(let kind):
            return "an ELF file, but \(kind), not a kernel; expected an executable linked at fixed addresses"
        case .invalidField(let name, let value, let expected):
            return "damaged or unknown header: \(name) is \(value), expected \(expected)"
        case .segmentsOverlap(let one, let other):
            return "damaged: two of its segments overlap in memory, \(one) and \(other)"
        case .overlapsReserved(let range, let reserved):
            return "wants to be loaded at \(range), where \(reserved) is kept for start-up data; "
                + "link it at 1 MiB or above"
        case .kernelTooLarge(let end, let memory):
            return "needs guest memory up to \(byteCount(end)), the machine has \(byteCount(memory)); "
                + "give it at least \(byteCount(roundedToMiB(end)))"
        case .aboveLowMemory(let range):
            return "wants to be loaded at \(range), but kernels are loaded below 3 GiB only; link it lower"
        case .entryOutsideKernel(let entry):
            return "its entry point \(hexadecimal(entry)) is in none of its loaded segments "
                + "(it has to be a physical address)"
        case .cannotBootBy(let bootProtocol, let reason):
            return "cannot be started by \(bootProtocol): \(reason)"
        case .bootProtocolTooOld(let version):
            return "its boot protocol is \(version >> 8).\(version & 0xff), older than 2.8 (Linux 2.6.26); "
                + "use a newer kernel, or this one's vmlinux"
        case .unsupportedCompression(let name):
            return "its payload is compressed by \(name), which is not supported; "
                + "use gzip, xz, lzma, lz4 or zstd, or the vmlinux"
        case .corruptPayload(let compression, let reason):
            return "its \(compression) payload is damaged: \(reason); copy or build it again"
        case .payloadTooLarge(let size, let limit):
            return "its payload has \(byteCount(size)), more than any kernel (the limit is \(byteCount(limit))); "
                + "copy or build it again"
        case .ramdiskTooLarge(let size, let free, let memory):
            let advice = memory.map { "give it at least \(byteCount($0))" } ?? "use a disk for the root file system"
            return "too large for the machine: \(byteCount(size)) where \(byteCount(free)) are free beside the kernel; "
                + advice
        case .commandLineTooLong(let length, let limit):
            return "the kernel's command line has \(length) bytes, this kernel takes \(limit); shorten it"
        case .commandLineHasNUL:
            return "the kernel's command line has a NUL character; remove it"
        case .machineTooSmall(let memory, let minimum):
            return "\(byteCount(memory)) of guest memory is too little to start anything; "
                + "give the machine at least \(byteCount(minimum))"
        case .tooManyProcessors(let count, let limit):
            return "\(count) processors are more than the guest can be told of; use at most \(limit)"
        case .tableTooLarge(let what, let size, let limit):
            return "the \(what) has \(byteCount(size)), there is room for \(byteCount(limit))"
        case .deviceTreeTooLarge(let limit):
            return "the device tree does not fit into \(byteCount(limit)); give the machine fewer devices"
        }
    }

    private func roundedToMiB(_ bytes: UInt64) -> UInt64 { (bytes >> 20 + (bytes & 0xf_ffff == 0 ? 0 : 1)) << 20 }
}

/// The system's words for an errno.
private func systemMessage(_ errno: Int32) -> String {
    // SAFETY: strerror returns a NUL-terminated string of this thread's own, copied at once.
    guard let text = unsafe strerror(errno) else { return "errno \(errno)" }
    return unsafe String(cString: text)
}

/// `0x1f00`.
func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

/// A size for people, in the largest unit that it reaches, rounded up to a tenth.
func byteCount(_ bytes: UInt64) -> String {
    let units: [(UInt64, String)] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
    for (unit, name) in units where bytes >= unit {
        let whole = bytes / unit
        let tenths = (bytes % unit * 10 + unit - 1) / unit
        if tenths == 0 || tenths == 10 { return "\(whole + tenths / 10) \(name)" }
        return "\(whole).\(tenths) \(name)"
    }
    return "\(bytes) bytes"
}
