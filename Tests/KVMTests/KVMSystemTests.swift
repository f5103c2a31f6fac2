import CLinux
import Testing

@testable import KVM

@Suite struct KVMSystemTests {
    @Test(arguments: [
        ("/nonexistent/kvm", KVMError.cannotOpen(path: "/nonexistent/kvm", errno: ENOENT)),
        ("/dev/null", .notKVM(path: "/dev/null")),
        ("/", .cannotOpen(path: "/", errno: EISDIR)),
    ])
    func refusesWhatIsNotKVM(path: String, error: KVMError) {
        #expect(throws: error) { _ = try KVMSystem(path: path) }
    }

    @Test(arguments: [
        (KVMError.cannotOpen(path: "/dev/kvm", errno: ENOENT), "modprobe"),
        (.cannotOpen(path: "/dev/kvm", errno: EACCES), "usermod -aG kvm"),
        (.cannotOpen(path: "/dev/kvm", errno: EPERM), "usermod -aG kvm"),
        (.cannotOpen(path: "/dev/kvm", errno: EMFILE), "Too many open files"),
        (.notKVM(path: "/dev/null"), "/dev/null"),
        (.unsupportedAPI(version: 11), "11"),
        (.missingCapability(name: "KVM_CAP_IRQCHIP"), "KVM_CAP_IRQCHIP"),
        (.requestFailed(operation: "KVM_CREATE_VM", errno: ENOMEM), "KVM_CREATE_VM failed: Cannot allocate memory"),
        (.msrRefused(index: 0xc000_0082), "0xc0000082"),
        (.cannotMapRunArea(errno: ENOMEM), "Cannot allocate memory"),
    ])
    func errorsSayWhatToDoInOneLine(error: KVMError, words: String) {
        let text = "\(error)"
        #expect(text.contains(words))
        #expect(!text.contains("\n"))
    }

    @Test func capabilitiesAreListedOnce() {
        let listed = (Capability.required + Capability.useful).map(\.capability)
        #expect(Set(listed).count == listed.count)
    }
}

@Suite struct TrailingArrayTests {
    @Test(arguments: [0, 1, 3, 100])
    func holdsElementsBehindTheirCount(count: Int) {
        let elements = (0..<count).map { kvm_msr_entry(index: UInt32($0), reserved: 0, data: UInt64($0) << 33) }
        let array = TrailingArray(elements)
        #expect(array.pointer.load(as: UInt32.self) == UInt32(count))
        for (index, element) in elements.enumerated() {
            let entry = array.pointer.load(fromByteOffset: 8 + 16 * index, as: kvm_msr_entry.self)
            #expect(entry.index == element.index)
            #expect(entry.data == element.data)
        }
        #expect(array.elements.map(\.data) == elements.map(\.data))
    }

    @Test func readsNoFurtherThanItsCapacity() {
        let array = TrailingArray<UInt32>(capacity: 2, headerSize: 4)
        array.pointer.storeBytes(of: UInt32(1_000_000), as: UInt32.self)
        #expect(array.elements == [0, 0])
    }

    @Test func followsACountThatTheKernelLowered() {
        let array = TrailingArray<UInt32>(capacity: 4, headerSize: 4)
        array.pointer.storeBytes(of: UInt32(1), as: UInt32.self)
        array.pointer.storeBytes(of: UInt32(7), toByteOffset: 4, as: UInt32.self)
        #expect(array.elements == [7])
    }
}

@Suite struct LocalAPICStateTests {
    @Test func registersLieAtTheirOffsets() {
        var state = LocalAPICState(kvm_lapic_state())
        state[.localInterrupt0] = 0x700
        state[.localInterrupt1] = 0x400
        #expect(state[.localInterrupt0] == 0x700)
        withUnsafeBytes(of: state.registers.regs) { bytes in
            #expect(bytes.load(fromByteOffset: 0x350, as: UInt32.self) == 0x700)
            #expect(bytes.load(fromByteOffset: 0x360, as: UInt32.self) == 0x400)
            #expect(bytes.filter { $0 != 0 }.count == 2)
        }
    }
}
