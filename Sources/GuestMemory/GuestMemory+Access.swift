import CLinux

/// Plain little-endian values: each is read or written once, whole, as the guest's own accesses are.
extension GuestMemory {
    /// Reads an unsigned integer of 1, 2, 4 or 8 bytes. No alignment is asked for.
    /// - Throws: `notInRAM`.
    @inlinable
    package func load<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self, at address: GuestAddress
    ) throws(GuestMemoryError) -> Value {
        let pointer = unsafe try hostPointer(address, UInt64(MemoryLayout<Value>.size))
        // SAFETY: hostPointer checked the size of Value.
        switch MemoryLayout<Value>.size {
        case 1: return unsafe Value(truncatingIfNeeded: caisson_load_8(pointer))
        case 2: return unsafe Value(truncatingIfNeeded: caisson_load_16(pointer))
        case 4: return unsafe Value(truncatingIfNeeded: caisson_load_32(pointer))
        case 8: return unsafe Value(truncatingIfNeeded: caisson_load_64(pointer))
        default: preconditionFailure("no such access width")
        }
    }

    /// Writes an unsigned integer of 1, 2, 4 or 8 bytes. No alignment is asked for.
    /// - Throws: `notInRAM`.
    @inlinable
    package func store<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: Value, at address: GuestAddress
    ) throws(GuestMemoryError) {
        let pointer = unsafe try hostPointer(address, UInt64(MemoryLayout<Value>.size))
        // SAFETY: hostPointer checked the size of Value.
        switch MemoryLayout<Value>.size {
        case 1: unsafe caisson_store_8(pointer, UInt8(truncatingIfNeeded: value))
        case 2: unsafe caisson_store_16(pointer, UInt16(truncatingIfNeeded: value))
        case 4: unsafe caisson_store_32(pointer, UInt32(truncatingIfNeeded: value))
        case 8: unsafe caisson_store_64(pointer, UInt64(truncatingIfNeeded: value))
        default: preconditionFailure("no such access width")
        }
    }

    /// Copies `bytes` to `address`.
    /// - Throws: `notInRAM`; then nothing was written.
    package func write(_ bytes: [UInt8], at address: GuestAddress) throws(GuestMemoryError) {
        let pointer = unsafe try hostPointer(address, UInt64(bytes.count))
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            // SAFETY: both sides hold bytes.count bytes, and an array never aliases guest RAM.
            unsafe caisson_copy(pointer, start, source.count)
        }
    }

    /// A private copy of `count` bytes at `address`.
    /// - Throws: `notInRAM`.
    package func read(_ count: Int, at address: GuestAddress) throws(GuestMemoryError) -> [UInt8] {
        precondition(count >= 0)
        let pointer = unsafe try hostPointer(address, UInt64(count))
        // SAFETY: hostPointer checked `count` bytes; the copy is taken once.
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let start = buffer.baseAddress { unsafe caisson_copy(start, pointer, count) }
            initialized = count
        }
    }

    /// Sets `count` bytes at `address` to `byte`.
    /// - Throws: `notInRAM`; then nothing was written.
    package func fill(_ address: GuestAddress, count: UInt64, with byte: UInt8) throws(GuestMemoryError) {
        let pointer = unsafe try hostPointer(address, count)
        // SAFETY: hostPointer checked `count` bytes.
        unsafe caisson_fill(pointer, byte, Int(count))
    }

    /// Reads `count` bytes of a file from `offset` straight into RAM, without a copy in between.
    ///
    /// - Throws: `notInRAM` before anything is read; `cannotRead`, `endOfFile`.
    package func read(
        descriptor: Int32, offset: UInt64, count: UInt64, to address: GuestAddress
    ) throws(GuestMemoryError) {
        let pointer = unsafe try hostPointer(address, count)
        guard offset <= UInt64(Int64.max), count <= UInt64(Int64.max) - offset else {
            throw .endOfFile(missing: count)
        }
        var done: UInt64 = 0
        while done < count {
            // SAFETY: `done` is below `count`, which hostPointer checked.
            let result = unsafe caisson_pread(
                descriptor, pointer.advanced(by: Int(done)), Int(count - done), Int64(offset + done))
            if result == -Int64(EINTR) { continue }
            guard result >= 0 else { throw .cannotRead(errno: Int32(-result)) }
            guard result > 0 else { throw .endOfFile(missing: count - done) }
            done += UInt64(result)
        }
    }
}
