import CArchive
import HostIO
import SystemPackage

/// libarchive's reader on a source of bytes.
@safe final class ArchiveHandle {
    /// What it may find.
    enum Content {
        /// Whatever any of the compressions unpacks to.
        case compressed
        /// An archive of tar's family, not compressed.
        case tar
    }

    let archive: OpaquePointer
    private let source: any ByteSource
    private let name: String
    /// What the source threw, which a C function cannot pass on.
    private var failure: ImageStoreError?
    private var isOpen = false

    /// - Parameter name: of what is read, for errors.
    init(_ content: Content, from source: any ByteSource, name: String) throws(ImageStoreError) {
        // SAFETY: freed with this; null only without memory.
        guard let archive = unsafe archive_read_new() else { throw .host(HostError("read", name, .noMemory)) }
        self.source = source
        self.name = name
        unsafe self.archive = unsafe archive
        switch content {
        case .tar: unsafe archive_read_support_format_tar(archive)
        case .compressed:
            // Those that need no other program.
            unsafe archive_read_support_filter_gzip(archive)
            unsafe archive_read_support_filter_bzip2(archive)
            unsafe archive_read_support_filter_xz(archive)
            unsafe archive_read_support_filter_lzma(archive)
            unsafe archive_read_support_filter_zstd(archive)
            unsafe archive_read_support_filter_lz4(archive)
            unsafe archive_read_support_format_raw(archive)
        }
    }

    // SAFETY: nobody uses the reader without this.
    deinit { unsafe _ = archive_read_free(archive) }

    /// Goes to the next entry's header.
    /// - Returns: nil after the last one.
    func nextHeader() throws(ImageStoreError) -> OpaquePointer? {
        if !isOpen {
            isOpen = true
            // SAFETY: the reader lives no longer than this, which it calls back only within calls of this.
            let context = unsafe Unmanaged.passUnretained(self).toOpaque()
            try check(unsafe open(with: context))
        }
        var entry: OpaquePointer?
        // SAFETY: the entry is the reader's, until the next header.
        let status = unsafe archive_read_next_header(archive, &entry)
        if status == ARCHIVE_EOF { return nil }
        try check(status)
        return unsafe entry
    }

    private func open(with context: UnsafeMutableRawPointer) -> Int32 {
        // SAFETY: the context is this object, alive during the reader's calls; the source's bytes stay until the next call.
        unsafe archive_read_open(
            archive, context, nil,
            { _, context, bytes in
                guard let context = unsafe context else { return -1 }
                let handle = unsafe Unmanaged<ArchiveHandle>.fromOpaque(context).takeUnretainedValue()
                let read = unsafe handle.read()
                unsafe bytes?.pointee = read.baseAddress
                return handle.failure == nil ? read.count : -1
            }, nil)
    }

    private func read() -> UnsafeRawBufferPointer {
        do {
            return try unsafe source.next()
        } catch {
            failure = error
            return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
    }

    /// The next bytes of the entry, and where in it they are; nil at its end.
    func nextData() throws(ImageStoreError) -> (bytes: UnsafeRawBufferPointer, offset: UInt64)? {
        var bytes: UnsafeRawPointer?
        var count = 0
        var offset: la_int64_t = 0
        // SAFETY: the bytes are the reader's, until the next call.
        let status = unsafe archive_read_data_block(archive, &bytes, &count, &offset)
        if status == ARCHIVE_EOF { return nil }
        try check(status)
        guard offset >= 0 else { throw .source(name, problem: "it is damaged: data before a file's beginning") }
        return unsafe (UnsafeRawBufferPointer(start: bytes, count: count), UInt64(offset))
    }

    /// Bytes of the archive that were taken in.
    // SAFETY: asks for a number.
    var byteCount: UInt64 { UInt64(max(0, unsafe archive_filter_bytes(archive, 0))) }

    /// A warning, such as that a name is in no known character set, stops nothing.
    private func check(_ status: Int32) throws(ImageStoreError) {
        guard status != ARCHIVE_OK, status != ARCHIVE_WARN else { return }
        if let failure { throw failure }
        // SAFETY: copied at once.
        let text = unsafe archive_error_string(archive).map { unsafe String(cString: $0) }
        throw .source(name, problem: "it is damaged or no archive: \(text ?? "no reason was given")")
    }
}
