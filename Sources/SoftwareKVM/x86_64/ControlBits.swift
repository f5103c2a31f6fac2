/// Bits of control registers, EFER and RFLAGS (Intel SDM 3, 2.3 and 2.5), and the MSRs of SYSCALL.
enum CR0 {
    static let monitorCoprocessor: UInt64 = 1 << 1
    static let emulation: UInt64 = 1 << 2
    static let taskSwitched: UInt64 = 1 << 3
    static let writeProtect: UInt64 = 1 << 16
    static let paging: UInt64 = 1 << 31
    static let protection: UInt64 = 1 << 0
}

enum CR4 {
    static let pageSizeExtension: UInt64 = 1 << 4
    static let physicalAddressExtension: UInt64 = 1 << 5
    static let fxsave: UInt64 = 1 << 9
    static let simdExceptions: UInt64 = 1 << 10
    static let fiveLevelPaging: UInt64 = 1 << 12
    static let segmentBase: UInt64 = 1 << 16
    static let xsave: UInt64 = 1 << 18
    static let supervisorAccessPrevention: UInt64 = 1 << 21
}

enum EFER {
    static let syscall: UInt64 = 1 << 0
    static let longModeEnable: UInt64 = 1 << 8
    static let longModeActive: UInt64 = 1 << 10
    static let noExecute: UInt64 = 1 << 11
}

enum RFLAGS {
    static let reserved: UInt64 = 1 << 1
    /// CF, PF, AF, ZF, SF and OF.
    static let arithmetic: UInt64 = 0x8d5
    static let zero: UInt64 = 1 << 6
    static let trap: UInt64 = 1 << 8
    static let interrupt: UInt64 = 1 << 9
    static let direction: UInt64 = 1 << 10
    static let resume: UInt64 = 1 << 16
    static let alignmentCheck: UInt64 = 1 << 18
}

package enum MSR {
    package static let star: UInt32 = 0xc000_0081
    package static let lstar: UInt32 = 0xc000_0082
    package static let cstar: UInt32 = 0xc000_0083
    package static let sfmask: UInt32 = 0xc000_0084
    static let timestampCounter: UInt32 = 0x10
    static let timestampAuxiliary: UInt32 = 0xc000_0103
}

enum Vector {
    static let divideError: UInt8 = 0
    static let breakpoint: UInt8 = 3
    static let invalidOpcode: UInt8 = 6
    static let deviceNotAvailable: UInt8 = 7
    static let stackFault: UInt8 = 12
    static let generalProtection: UInt8 = 13
    static let pageFault: UInt8 = 14
    static let floatingPoint: UInt8 = 16
    static let simdFloatingPoint: UInt8 = 19
}
