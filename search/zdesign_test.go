package search_test
import ("testing";"fmt";"context";"os";"strconv"
"bankai/search")
func ef(k string,d float64)float64{ if v,err:=strconv.ParseFloat(os.Getenv(k),64);err==nil{return v};return d}
func TestZDesign(t *testing.T){
 if os.Getenv("DESIGN")=="" {t.Skip()}
 n:=int(ef("N",600)); block:=int(ef("BLOCK",64)); cost:=ef("COST",30)
 search.Tuning.Decay=ef("DECAY",0.8);search.Tuning.Shrink=ef("SHRINK",1);search.Tuning.Z=ef("Z",1);search.Tuning.Single=os.Getenv("SINGLE")!="";search.Tuning.Most=int(ef("MOST",8));search.Tuning.Tries=int(ef("TRIES",8))
 var sumT,sumF,sumE,fl float64
 S:=int(ef("SEEDS",3))
 for seed:=1;seed<=S;seed++{
 c:=newCrowd(3000,n,block,uint64(seed))
 var st search.Strategy; var err error
 switch os.Getenv("DESIGN"){
 case "guided": st,err=search.NewGuided(c.matrices(),1,search.Row)
 case "acc": st,err=search.NewAccumulator(c.matrices(),c.deal.Blocks,search.Row)
 case "halving": st,err=search.NewHalving(c.matrices(),c.deal.Blocks,search.Row)
 }
 if err!=nil{t.Fatal(err)}
 r,err:=search.Run(context.Background(),c,st,empty(),search.Config{Steps:1e6,MaxCost:cost,Prune:os.Getenv("PRUNE")!=""})
 if err!=nil{t.Fatal(err)}
 s,_:=c.Score(context.Background(),r.Patch,[]search.Move{{}})
 sumT+=c.truth(r.Patch);sumF+=s[0].Fitness;sumE+=r.Fitness;fl+=float64(r.Patch.Len())
 if os.Getenv("V")!=""{fmt.Printf("   seed %d truth %.4f own %.4f est %.4f flips %d steps %d acc %d cost %.1f %s\n",seed,c.truth(r.Patch),s[0].Fitness,r.Fitness,r.Patch.Len(),r.Steps,r.Accepted,r.Cost,r.Stopped)}
 }
 k:=float64(S); fmt.Printf("%-8s N=%d block=%d cost=%g decay=%g shrink=%g z=%g single=%v most=%d: truth %.4f own %.4f est %.4f flips %.0f\n",os.Getenv("DESIGN"),n,block,cost,search.Tuning.Decay,search.Tuning.Shrink,search.Tuning.Z,search.Tuning.Single,search.Tuning.Most,sumT/k,sumF/k,sumE/k,fl/k)
}
