declare const idBrand: unique symbol;
type Id<P extends string> = `${P}_${string}` & { readonly [idBrand]: P };

export type NodeId = Id<'nod'>;
export type SpecId = Id<'spc'>;
export type TaskId = Id<'tsk'>;
export type ProjectId = Id<'prj'>;
