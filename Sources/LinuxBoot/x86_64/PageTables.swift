/// Four-level page tables that map the first 4 GiB to themselves with 2 MiB pages, which every 64-bit
/// processor has (Intel SDM 3, 4.5). The boot protocol asks that kernel, zero page and command line be mapped so.
enum PageTables {
    private static let present: UInt64 = 1 << 0
    private static let writable: UInt64 = 1 << 1
    // Set beforehand, so that no walk has to write them.
    private static let accessed: UInt64 = 1 << 5
    private static let dirty: UInt64 = 1 << 6
    private static let large: UInt64 = 1 << 7
    private static let pageSize: UInt64 = 4096

    /// The tables' bytes, made for `BootLayout.pageTables`.
    static let identity: [UInt8] = {
        let table = present | writable | accessed
        let pointers = BootLayout.pageTables.start + pageSize
        let directories = pointers + pageSize
        var bytes = [UInt8](repeating: 0, count: Int(BootLayout.pageTables.count))
        bytes.set(pointers | table, at: 0)
        for gigabyte in 0..<4 {
            bytes.set((directories + UInt64(gigabyte) * pageSize) | table, at: Int(pageSize) + gigabyte * 8)
        }
        for index in 0..<4 * 512 {
            bytes.set(UInt64(index) << 21 | table | dirty | large, at: 2 * Int(pageSize) + index * 8)
        }
        return bytes
    }()
}
