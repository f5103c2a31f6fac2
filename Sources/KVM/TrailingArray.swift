/// A C structure that starts with a number of elements and ends in the elements, as the kernel's requests of variable size do.
///
/// - Note: Elements are C structures, which have no destructors.
@safe struct TrailingArray<Element>: ~Copyable {
    let pointer: UnsafeMutableRawPointer
    private let capacity: Int
    private let headerSize: Int

    /// `capacity` zeroed elements, all of them announced in the header.
    /// - Parameter headerSize: bytes before the first element; the first 4 are the count.
    init(capacity: Int, headerSize: Int = 8) {
        precondition(headerSize % MemoryLayout<Element>.alignment == 0)
        let size = headerSize + capacity * MemoryLayout<Element>.stride
        self.capacity = capacity
        self.headerSize = headerSize
        unsafe pointer = .allocate(byteCount: size, alignment: 16)
        // SAFETY: the allocation has `size` bytes, of which the header takes the first.
        unsafe pointer.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        unsafe pointer.storeBytes(of: UInt32(capacity), as: UInt32.self)
    }

    init(_ elements: [Element]) {
        self.init(capacity: elements.count)
        for (index, element) in elements.enumerated() {
            // SAFETY: `index` is below the capacity.
            unsafe pointer.storeBytes(of: element, toByteOffset: offset(of: index), as: Element.self)
        }
    }

    deinit { unsafe pointer.deallocate() }

    /// As many elements as the header says now.
    var elements: [Element] {
        // SAFETY: the count lies at the start of the allocation, and `index` stays below the capacity.
        let count = Int(unsafe pointer.load(as: UInt32.self))
        return (0..<min(count, capacity)).map { index in
            unsafe pointer.load(fromByteOffset: offset(of: index), as: Element.self)
        }
    }

    private func offset(of index: Int) -> Int { headerSize + index * MemoryLayout<Element>.stride }
}
