import CFDT

extension DeviceNode {
    /// The tree below this root in the flattened format (Devicetree 0.4, chapter 5).
    /// - Throws: `tableTooLarge` where it has more than `limit` bytes.
    func flattened(limit: Int) throws(BootError) -> [UInt8] {
        var error: Int32 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            guard let tree = buffer.baseAddress else { return }
            // SAFETY: libfdt stays inside the buffer's `limit` bytes and keeps no pointer to it. Once it has finished, the
            // header has the number of bytes that are initialized, from the first on.
            error = Self.firstError(
                { unsafe fdt_create(tree, Int32(clamping: limit)) },
                { unsafe fdt_finish_reservemap(tree) },
                { unsafe write(to: tree) },
                { unsafe fdt_finish(tree) })
            if error == 0 { count = (4..<8).reduce(0) { unsafe $0 << 8 | Int(tree[$1]) } }
        }
        // The only way to fail that is not a mistake in what is above.
        precondition(error == 0 || error == -FDT_ERR_NOSPACE, "libfdt's error \(error)")
        guard error == 0 else { throw BootError(nil, .deviceTreeTooLarge(limit: UInt64(limit))) }
        return bytes
    }

    /// libfdt's first error, or 0.
    private func write(to tree: UnsafeMutableRawPointer) -> Int32 {
        // SAFETY: names and values are copied during the calls; `tree` is as in `flattened`.
        var error = unsafe fdt_begin_node(tree, name)
        for property in properties where error == 0 {
            let value = property.value.bytes
            error = unsafe fdt_property(tree, property.name, value, Int32(clamping: value.count))
        }
        for child in children where error == 0 { error = unsafe child.write(to: tree) }
        return error == 0 ? unsafe fdt_end_node(tree) : error
    }

    private static func firstError(_ steps: () -> Int32...) -> Int32 {
        for step in steps {
            let error = step()
            if error != 0 { return error }
        }
        return 0
    }
}

extension DeviceNode.Value {
    /// 2.2.4: numbers with the highest byte first, each string with a NUL.
    var bytes: [UInt8] {
        switch self {
        case .empty: []
        case .cells(let cells):
            cells.flatMap { cell in stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: cell >> $0) } }
        case .strings(let strings): strings.flatMap { Array($0.utf8) + [0] }
        }
    }
}
