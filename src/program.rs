//! What runs: flows compiled to flat instructions, with the scopes that are open at each of them.

use crate::kernel::{Faults, NONE};

/// No frame.
pub const NO_FRAME: u16 = u16::MAX;

/// One instruction: plain data of 16 bytes. `comp` is a component's first instance; where `sel` names a frame,
/// the replica noted there is added. `frame` is where the scope keeps its start and its component's word.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Instr {
    /// Enter a component and open its scope.
    Enter {
        frame: u16,
        sel: u16,
        comp: u32,
        site: u32,
    },
    /// Leave it and close the scope.
    Leave {
        frame: u16,
        sel: u16,
        comp: u32,
    },
    /// Wait for a time drawn from the site's law.
    Hold {
        site: u32,
    },
    /// An operation of a component's own; `Skip` jumps.
    Op {
        op: u8,
        frame: u16,
        sel: u16,
        comp: u32,
        jump: u32,
    },
    /// Choose one of a table's targets by weight.
    Branch {
        table: u32,
        site: u32,
    },
    Jump {
        pc: u32,
    },
    /// Begin a loop of a drawn number of rounds; zero rounds jump behind it.
    Repeat {
        frame: u16,
        site: u32,
        exit: u32,
    },
    /// End of a loop's round.
    Again {
        frame: u16,
        body: u32,
    },
    /// Start one child for each of a table's targets and wait for all.
    Fork {
        frame: u16,
        table: u32,
    },
    /// The end of a forked child.
    Join {
        frame: u16,
    },
    /// A forked child answers: its parent goes on, and so does the child, by itself.
    Reply {
        frame: u16,
    },
    /// Raise `fault` with the site's probability.
    Fail {
        fault: u8,
        site: u32,
    },
    /// Begin the flow that the workload's mix draws.
    Begin,
    /// A virtual user of an arrival-rate executor is free again.
    Rest,
    /// The request is done.
    End,
}

/// What is open at an instruction, innermost first.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The scope around it; `NONE` for the outermost.
    pub parent: u32,
    pub kind: ScopeKind,
}

/// The sorts of scope and how each is left.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// A visit; `catches` says that the component is asked when a step fails.
    Visit {
        comp: u32,
        frame: u16,
        sel: u16,
        site: u32,
        body: u32,
        end: u32,
        catches: bool,
    },
    /// A loop.
    Loop { frame: u16 },
    /// A fork: children may be running. Without `cancels` they go on when their parent leaves. Work `apart` is the
    /// request's own and draws as the request would.
    Fork { frame: u16, cancels: bool, apart: bool },
    /// The outermost scope of a forked child.
    Child { frame: u16 },
    /// Steps whose failure, if it is one of these, goes on at `target`.
    Try { on: Faults, target: u32 },
}

/// Targets of a weighted choice or of a fork.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Upper ends of each target's share of [0, 1); empty for a fork.
    pub cumulative: Vec<f64>,
    pub targets: Vec<u32>,
    /// For a fork: how many children must be done before their parent goes on; zero for all.
    pub quorum: u32,
    /// For a fork: whether those that are not needed any more are cancelled.
    pub cancels_rest: bool,
}

/// All flows of a model.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub code: Vec<Instr>,
    /// The innermost scope at each instruction: what must be closed when a request ends there.
    pub scope_at: Vec<u32>,
    pub scopes: Vec<Scope>,
    pub tables: Vec<Table>,
    /// Frames a request needs.
    pub stride: u16,
    /// What each instruction is, for the listing.
    pub remarks: Vec<String>,
}

/// Writes a program, one instruction after another, and keeps track of open scopes and frames.
pub struct Assembler {
    pub program: Program,
    scope: u32,
    depth: u16,
}

/// A place in the program whose jump is filled in later.
#[derive(Copy, Clone, Debug)]
pub struct Patch(u32);

/// Work apart from its request that is being written.
#[derive(Copy, Clone, Debug)]
pub struct Branch {
    outer: u32,
    over: Patch,
    /// The frame of the work's own outermost scope.
    pub child: u16,
}

impl Assembler {
    /// An empty program whose requests keep `reserved` frames for themselves.
    pub fn new(reserved: u16) -> Self {
        let program = Program {
            stride: reserved.max(1),
            ..Program::default()
        };
        Assembler {
            program,
            scope: NONE,
            depth: reserved,
        }
    }

    /// Where the next instruction will stand.
    pub fn here(&self) -> u32 {
        self.program.code.len() as u32
    }

    pub fn emit(&mut self, instr: Instr, remark: impl Into<String>) -> u32 {
        let pc = self.here();
        self.program.code.push(instr);
        self.program.scope_at.push(self.scope);
        self.program.remarks.push(remark.into());
        pc
    }

    fn frame(&mut self) -> u16 {
        let f = self.depth;
        self.depth += 1;
        self.program.stride = self.program.stride.max(self.depth);
        f
    }

    fn open(&mut self, kind: ScopeKind) {
        self.program.scopes.push(Scope {
            parent: self.scope,
            kind,
        });
        self.scope = self.program.scopes.len() as u32 - 1;
    }

    fn close(&mut self, frames: u16) {
        self.scope = self.program.scopes[self.scope as usize].parent;
        self.depth -= frames;
    }

    /// Opens a visit. The frame's number is returned; [`Assembler::leave`] closes it.
    pub fn enter(&mut self, comp: u32, sel: u16, site: u32, catches: bool, remark: impl Into<String>) -> u16 {
        let frame = self.frame();
        let pc = self.emit(
            Instr::Enter {
                frame,
                sel,
                comp,
                site,
            },
            remark,
        );
        self.open(ScopeKind::Visit {
            comp,
            frame,
            sel,
            site,
            body: pc + 1,
            end: NONE,
            catches,
        });
        frame
    }

    /// Closes the innermost visit. A visitor that skips the scope, or whose failure is absorbed, goes on behind it.
    pub fn leave(&mut self, remark: impl Into<String>) {
        let scope = self.scope;
        let ScopeKind::Visit { comp, frame, sel, .. } = self.program.scopes[scope as usize].kind else {
            unreachable!("the assembler closes a scope that is no visit")
        };
        let pc = self.emit(Instr::Leave { frame, sel, comp }, remark);
        if let ScopeKind::Visit { end, .. } = &mut self.program.scopes[scope as usize].kind {
            *end = pc + 1;
        }
        self.close(1);
    }

    pub fn hold(&mut self, site: u32, remark: impl Into<String>) {
        self.emit(Instr::Hold { site }, remark);
    }

    pub fn op(&mut self, comp: u32, sel: u16, frame: u16, op: u8, remark: impl Into<String>) -> Patch {
        Patch(self.emit(
            Instr::Op {
                op,
                frame,
                sel,
                comp,
                jump: NONE,
            },
            remark,
        ))
    }

    /// An operation that draws from a site's law instead of jumping.
    pub fn op_at(&mut self, comp: u32, sel: u16, frame: u16, op: u8, site: u32, remark: impl Into<String>) {
        self.emit(
            Instr::Op {
                op,
                frame,
                sel,
                comp,
                jump: site,
            },
            remark,
        );
    }

    pub fn jump(&mut self, remark: impl Into<String>) -> Patch {
        Patch(self.emit(Instr::Jump { pc: NONE }, remark))
    }

    pub fn jump_to(&mut self, pc: u32, remark: impl Into<String>) {
        self.emit(Instr::Jump { pc }, remark);
    }

    /// Fills a jump in: it leads to the next instruction.
    pub fn land(&mut self, patch: Patch) {
        let here = self.here();
        match &mut self.program.code[patch.0 as usize] {
            Instr::Jump { pc } => *pc = here,
            Instr::Op { jump, .. } => *jump = here,
            Instr::Repeat { exit, .. } => *exit = here,
            other => unreachable!("{other:?} has no jump to fill in"),
        }
    }

    /// A loop over `body` for as many rounds as the site's law says.
    pub fn repeat(&mut self, site: u32, body: impl FnOnce(&mut Self), remark: impl Into<String>) {
        let frame = self.frame();
        let head = Patch(self.emit(
            Instr::Repeat {
                frame,
                site,
                exit: NONE,
            },
            remark,
        ));
        let start = self.here();
        self.open(ScopeKind::Loop { frame });
        body(self);
        self.emit(Instr::Again { frame, body: start }, "next round");
        self.close(1);
        self.land(head);
    }

    /// A weighted choice; `bodies` are written one after the other.
    pub fn choose<T>(
        &mut self,
        weights: &[f64],
        site: u32,
        bodies: Vec<T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let table = self.program.tables.len() as u32;
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let cumulative = weights
            .iter()
            .map(|w| {
                sum += w;
                sum / total
            })
            .collect();
        self.program.tables.push(Table {
            cumulative,
            ..Table::default()
        });
        self.emit(Instr::Branch { table, site }, "choose");
        let mut ends = Vec::new();
        for body in bodies {
            let target = self.here();
            self.program.tables[table as usize].targets.push(target);
            write(self, body);
            ends.push(self.jump("end of the choice"));
        }
        for end in ends {
            self.land(end);
        }
    }

    /// Runs `body`, and if it fails with one of these faults `instead`.
    pub fn attempt<T>(&mut self, on: Faults, bodies: (T, T), mut write: impl FnMut(&mut Self, T)) {
        self.open(ScopeKind::Try { on, target: NONE });
        let scope = self.scope;
        write(self, bodies.0);
        self.close(0);
        let over = self.jump("nothing failed");
        let here = self.here();
        if let ScopeKind::Try { target, .. } = &mut self.program.scopes[scope as usize].kind {
            *target = here;
        }
        write(self, bodies.1);
        self.land(over);
    }

    /// Runs all bodies at once and goes on when `quorum` of them are done, or all if it is zero. Those that are not
    /// needed any more are cancelled, or go on by themselves.
    pub fn parallel<T>(
        &mut self,
        quorum: u32,
        cancels_rest: bool,
        bodies: Vec<T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let table = self.program.tables.len() as u32;
        self.program.tables.push(Table {
            quorum,
            cancels_rest,
            ..Table::default()
        });
        // Two frames for the parent: what is left to do, and the first child.
        let frame = self.frame();
        self.frame();
        let remark = match quorum {
            0 => format!("{} branches at once", bodies.len()),
            _ => format!("{} branches at once, {quorum} are enough", bodies.len()),
        };
        self.emit(Instr::Fork { frame, table }, remark);
        self.open(ScopeKind::Fork {
            frame,
            cancels: true,
            apart: false,
        });
        let outer = self.scope;
        let over = self.jump(match quorum {
            0 => "all branches are done",
            _ => "enough branches are done",
        });
        for body in bodies {
            let target = self.here();
            self.program.tables[table as usize].targets.push(target);
            let child = self.frame();
            self.scope = NONE;
            self.open(ScopeKind::Child { frame: child });
            write(self, body);
            self.emit(Instr::Join { frame: child }, "end of the branch");
            self.close(1);
            self.scope = outer;
        }
        self.close(2);
        self.land(over);
    }

    /// Begins work that runs apart from its request, which waits for it. If the request leaves before the end, the
    /// work is cancelled or goes on by itself. [`Assembler::come_back`] ends it.
    pub fn branch_off(&mut self, cancels: bool, remark: impl Into<String>) -> Branch {
        let table = self.program.tables.len() as u32;
        let frame = self.frame();
        self.frame();
        self.emit(Instr::Fork { frame, table }, remark);
        self.open(ScopeKind::Fork {
            frame,
            cancels,
            apart: true,
        });
        let outer = self.scope;
        let over = self.jump("the work is done");
        let targets = vec![self.here()];
        self.program.tables.push(Table {
            targets,
            ..Table::default()
        });
        let child = self.frame();
        self.scope = NONE;
        self.open(ScopeKind::Child { frame: child });
        Branch { outer, over, child }
    }

    /// What runs apart answers: its request goes on.
    pub fn reply(&mut self, child: u16) {
        self.emit(Instr::Reply { frame: child }, "reply");
    }

    /// Ends what [`Assembler::branch_off`] began.
    pub fn come_back(&mut self, branch: Branch) {
        self.emit(Instr::Join { frame: branch.child }, "end of the work");
        self.close(1);
        self.scope = branch.outer;
        self.close(2);
        self.land(branch.over);
    }

    /// Frames in use at this point.
    pub fn depth(&self) -> u16 {
        self.depth
    }

    /// Takes a frame that belongs to no scope, as an agent's note of its replica.
    pub fn reserve_frame(&mut self) -> u16 {
        self.frame()
    }

    /// Gives the innermost reserved frame back.
    pub fn release_frame(&mut self) {
        self.depth -= 1;
    }

    /// The frame of the innermost open visit to a component, if there is one.
    pub fn visit_frame(&self, component: u32) -> Option<u16> {
        let mut s = self.scope;
        while s != NONE {
            let scope = self.program.scopes[s as usize];
            if let ScopeKind::Visit { comp, frame, .. } = scope.kind
                && comp == component
            {
                return Some(frame);
            }
            s = scope.parent;
        }
        None
    }

    /// Ends a flow.
    pub fn end(&mut self) {
        debug_assert_eq!(self.scope, NONE, "a flow ends inside a scope");
        self.emit(Instr::End, "done");
    }
}

impl Program {
    /// The program as text, one line an instruction, indented by open scopes.
    pub fn listing(&self) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        for (pc, instr) in self.code.iter().enumerate() {
            let mut depth = 0;
            let mut s = self.scope_at[pc];
            while s != NONE {
                depth += 1;
                s = self.scopes[s as usize].parent;
            }
            let name = format!("{instr:?}");
            let name = name.split([' ', '{']).next().unwrap_or("").to_lowercase();
            let target = match instr {
                Instr::Jump { pc } => format!(" -> {pc}"),
                Instr::Op { jump, .. } if *jump != NONE => format!(" -> {jump}"),
                Instr::Repeat { exit, .. } => format!(" -> {exit}"),
                Instr::Again { body, .. } => format!(" -> {body}"),
                Instr::Branch { table, .. } | Instr::Fork { table, .. } => {
                    let t: Vec<String> = self.tables[*table as usize]
                        .targets
                        .iter()
                        .map(u32::to_string)
                        .collect();
                    format!(" -> {}", t.join(", "))
                }
                _ => String::new(),
            };
            let _ = writeln!(
                out,
                "{pc:4} {:indent$}{name:<7}{target} {}",
                "",
                self.remarks[pc],
                indent = 2 * depth
            );
        }
        out
    }
}
